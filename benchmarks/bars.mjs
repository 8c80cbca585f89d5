// What dense and sparse decoding on the CPU must reach, in one table: the same files and threads as
// llama.cpp, fresh processes, whoever goes first in one round last in the next.
//
//   npm install --prefix /tmp/peers node-llama-cpp@3.22.1
//   node benchmarks/bars.mjs --peer /tmp/peers [--rounds 3] [--only bamboo]
import { parseArgs } from 'node:util';
import { nodeLlamaCpp } from '@thermocline/bench';
import { BARS, RUNS } from './lib/bars.mjs';
import { measure } from './lib/measure.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    rounds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
  },
});
if (values.peer === undefined) {
  console.error('npm install --prefix FOLDER node-llama-cpp@3.22.1, then --peer FOLDER');
  process.exit(2);
}
const peer = nodeLlamaCpp(values.peer);

/** @typedef {import('./lib/bars.mjs').Round} Round */

const runs = Object.entries(RUNS).filter(([name]) => name.includes(values.only));
/** @type {Round[]} */
const rounds = [];
for (let round = 0; round < Number(values.rounds); round++) {
  /** @type {Round} */
  const results = {};
  for (const [name, prepare] of round % 2 === 0 ? runs : runs.toReversed()) {
    const { beside, ...options } = await prepare();
    process.stderr.write(`round ${round}: ${name}\n`);
    results[name] = await measure({ ...options, rounds: 1, peers: beside ? [peer] : [] });
  }
  rounds.push(results);
}

const raw = rounds.flatMap((results, round) =>
  Object.entries(results).flatMap(([run, { cases }]) =>
    cases.map(({ engine, mode, threads, batch, busy_cores, median: figures, rounds: [own] }) => ({
      round,
      run,
      engine,
      mode,
      threads: threads ?? '',
      batch,
      busy_cores,
      decode_tps: figures.decode_tokens_per_second ?? '',
      prefill_tps: figures.prefill_tokens_per_second ?? '',
      bytes_per_token: figures.bytes_per_token ?? '',
      reading_gb_per_second: (own?.beside_reading?.bytes_per_second ?? Number.NaN) / 1e9,
      other_load: own?.other_load ?? '',
    })),
  ),
);
const measured = new Set(runs.map(([name]) => name));
const rows = BARS.filter((bar) => bar.runs.every((run) => measured.has(run))).map(
  ({ work, bar, aim, ratio }) => {
    const each = rounds.map(ratio);
    const middle = median(each);
    return {
      work,
      ratio: middle,
      bar,
      aim,
      verdict: middle >= aim ? 'aim reached' : middle >= bar ? 'ok' : 'MISSED',
      lowest: Math.min(...each),
      highest: Math.max(...each),
    };
  },
);
printTable(rows);
writeResults('bars-raw', raw);
console.log(`written: ${writeResults('bars', rows)}`);
if (rows.some(({ verdict }) => verdict === 'MISSED')) process.exitCode = 1;

// How fast models load beside what their drive reads, and what that leaves behind in memory.
//
//   thermocline synth bamboo-7b --layers 16 -o q4.gguf
//   node benchmarks/load-speed.mjs q4.gguf … [--threads 1,2] [--rounds 3]
//
// On virtual machines that hand free memory back to their host, the first touch of each page asks
// the host for it: `system_s` tells, and it differs from run to run.
import { basename } from 'node:path';
import { parseArgs } from 'node:util';
import { runQuietly } from './lib/fresh-process.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
  },
});
if (positionals.length === 0) {
  console.error('node benchmarks/load-speed.mjs MODEL.gguf …; thermocline synth writes large ones');
  process.exit(2);
}
const TARGET = 0.8;
process.env['UV_THREADPOOL_SIZE'] = '8'; // reads under way in the worker

const rows = [];
for (const path of positionals) {
  for (const threads of values.threads.split(',').map(Number)) {
    const runs = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      runs.push(await runQuietly('load-worker', { path, threads }));
    }
    rows.push(rowOf(path, threads, runs));
  }
}
printTable(rows);
console.log(`written: ${writeResults('load-speed', rows)}`);

/** @param {string} path @param {number} threads @param {any[]} runs */
function rowOf(path, threads, runs) {
  /** @param {(run: any) => number} value */
  const middle = (value) => median(runs.map(value));
  /** @param {any} run */
  const speed = ({ load }) => load.fileBytes / load.seconds / 1e9;
  /** @param {any} run */
  const ratio = (run) => (1e9 * speed(run)) / run.driveBytesPerSecond;
  return {
    model: basename(path, '.gguf'),
    type: runs[0].type,
    file_gb: runs[0].load.fileBytes / 1e9,
    threads,
    drive_gb_s: middle(({ driveBytesPerSecond }) => driveBytesPerSecond / 1e9),
    load_gb_s: middle(speed),
    of_drive: middle(ratio),
    target: middle(ratio) >= TARGET ? 'ok' : 'MISSED',
    open_s: middle(({ openSeconds }) => openSeconds),
    user_s: middle(({ userSeconds }) => userSeconds),
    system_s: middle(({ systemSeconds }) => systemSeconds),
    rss_of_weights: middle(({ rssOverWeights }) => rssOverWeights),
    cache_grown_mib: middle(({ cacheGrownBytes }) => cacheGrownBytes / 2 ** 20),
    from_cache: middle(({ load }) => load.cachedBytes / load.fileBytes),
    in_huge_pages: middle(({ load }) => load.hugePageBytes / load.weightBytes),
    other_load: middle(({ otherLoad }) => otherLoad),
    raw_of_drive: runs.map((run) => ratio(run).toFixed(2)).join(' '),
  };
}

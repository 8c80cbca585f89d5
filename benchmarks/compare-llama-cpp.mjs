// Dense decode and prefill beside node-llama-cpp: the same file, the same number of threads, fresh
// processes in alternating order; medians and every raw value. Agreement is checked first.
//
//   npm install --prefix /tmp/peers node-llama-cpp@3.22.1
//   node benchmarks/compare-llama-cpp.mjs --peer /tmp/peers [--threads 1,2] [--rounds 5]
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { runFresh, runQuietly } from './lib/fresh-process.mjs';
import { demoModel, sampleIds, swigluModel, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median } from './lib/statistics.mjs';

const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' },
    models: { type: 'string', default: '' },
  },
});
if (values.peer === undefined || !existsSync(`${values.peer}/node_modules/node-llama-cpp`)) {
  console.error('npm install --prefix FOLDER node-llama-cpp@3.22.1, then --peer FOLDER');
  process.exit(2);
}
const { peer } = values;
const rounds = Number(values.rounds);
const MEASURES = ['prefillTps', 'decodeTps', 'prefillPerCpu', 'decodePerCpu', 'innerDecodeTps'];
const DECODE_TARGET = 0.8;
const PREFILL_TARGET = 0.3;

const models = [demoModel, swigluModel, synthModel('Q4_0')].filter(
  (model) => existsSync(model.path) && model.name.includes(values.models),
);
const agreement = [];
for (const model of models) {
  // llama.cpp does not know the demo model's ReLU: the same bytes, another function.
  if (model !== demoModel) agreement.push(await checkAgreement(model));
}
if (agreement.length > 0) printTable(agreement);

const raw = [];
const summary = [];
for (const model of models) {
  for (const threads of values.threads.split(',').map(Number)) {
    const { ours, theirs } = await race(model, threads);
    for (const [engine, results] of Object.entries({
      thermocline: ours,
      'node-llama-cpp': theirs,
    })) {
      for (const [round, result] of results.entries()) raw.push(...rawRows(engine, round, result));
    }
    summary.push(summarize(model, threads, ours, theirs));

    /** @param {string} engine @param {number} round @param {any} result */
    function rawRows(engine, round, result) {
      const common = { model: model.name, threads, engine, round, other_load: result.otherLoad };
      return MEASURES.flatMap((measure) =>
        (result[measure] ?? []).map((/** @type {number} */ value) => ({
          ...common,
          measure,
          tokens_per_second: value,
        })),
      );
    }
  }
}
printTable(summary);
if (agreement.length > 0) writeResults('agreement-llama-cpp', agreement);
writeResults('compare-llama-cpp-raw', raw);
console.log(`written: ${writeResults('compare-llama-cpp', summary)}`);
if (summary.some(({ decode, prefill }) => decode === 'MISSED' || prefill === 'MISSED')) {
  process.exitCode = 1;
}

/** @param {import('./lib/models.mjs').BenchmarkModel} model @param {number} threads */
async function race(model, threads) {
  const task = {
    model: model.path,
    threads,
    mode: 'dense',
    context: model.context,
    prompt: sampleIds(model, 16),
    prefill: sampleIds(model, 512),
    decode: 128,
    repeats: 3,
  };
  const [ours, theirs] = [/** @type {any[]} */ ([]), /** @type {any[]} */ ([])];
  for (let round = 0; round < rounds; round++) {
    process.stderr.write(`${model.name}, ${threads} threads, round ${round}\n`);
    // Whoever goes first in one round goes second in the next.
    for (const turn of round % 2 === 0 ? ['ours', 'theirs'] : ['theirs', 'ours']) {
      if (turn === 'ours') ours.push(await runQuietly('thermocline-worker', task));
      // llama.cpp shifts a full context; one that is larger never fills.
      else theirs.push(await runQuietly('node-llama-cpp-worker', { ...task, peer, context: 1024 }));
    }
  }
  return { ours, theirs };
}

/**
 * @param {import('./lib/models.mjs').BenchmarkModel} model @param {number} threads
 * @param {any[]} ours @param {any[]} theirs
 */
function summarize(model, threads, ours, theirs) {
  /** @param {any[]} results @param {string} measure */
  const middle = (results, measure) => median(results.flatMap((result) => result[measure]));
  const decodeRatio = middle(ours, 'decodeTps') / middle(theirs, 'decodeTps');
  const prefillRatio = middle(ours, 'prefillTps') / middle(theirs, 'prefillTps');
  return {
    model: model.name,
    threads,
    decode_ours: middle(ours, 'decodeTps'),
    decode_peer: middle(theirs, 'decodeTps'),
    decode_peer_inside: middle(theirs, 'innerDecodeTps'),
    decode_ratio: decodeRatio,
    decode: decodeRatio >= DECODE_TARGET ? 'ok' : 'MISSED',
    prefill_ours: middle(ours, 'prefillTps'),
    prefill_peer: middle(theirs, 'prefillTps'),
    prefill_ratio: prefillRatio,
    prefill: prefillRatio >= PREFILL_TARGET ? 'ok' : 'MISSED',
    // Per second of processor time: steadier, but only one thread does not spin.
    decode_cpu_ratio:
      threads === 1 ? middle(ours, 'decodePerCpu') / middle(theirs, 'decodePerCpu') : '',
    prefill_cpu_ratio:
      threads === 1 ? middle(ours, 'prefillPerCpu') / middle(theirs, 'prefillPerCpu') : '',
    other_load: Math.max(...[...ours, ...theirs].map((result) => result.otherLoad)),
    about: `${ours[0].about} | ${theirs[0].about}`.replaceAll(',', ';'),
  };
}

/** @param {import('./lib/models.mjs').BenchmarkModel} model */
async function checkAgreement(model) {
  const task = {
    model: model.path,
    threads: 1,
    mode: 'dense',
    context: model.context,
    prompt: sampleIds(model, 16),
    decode: 16,
    repeats: 0,
  };
  const ours = await runFresh('thermocline-worker', task);
  const theirs = await runFresh('node-llama-cpp-worker', { ...task, peer });
  const known = new Map(
    ours.top.map((/** @type {any} */ { id, logProbability }) => [id, logProbability]),
  );
  const gaps = theirs.top.map((/** @type {any} */ { id, logProbability }) =>
    Math.abs(logProbability - (known.get(id) ?? Number.NaN)),
  );
  const same = ours.tokens.findIndex(
    (/** @type {number} */ token, /** @type {number} */ i) => token !== theirs.tokens[i],
  );
  return {
    model: model.name,
    top10_shared: gaps.filter((/** @type {number} */ gap) => !Number.isNaN(gap)).length,
    largest_log_probability_gap: Math.max(
      ...gaps.filter((/** @type {number} */ gap) => !Number.isNaN(gap)),
    ),
    greedy_ids_shared: same === -1 ? ours.tokens.length : same,
  };
}

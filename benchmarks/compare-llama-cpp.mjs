// Dense decode and prefill beside node-llama-cpp: the same file, the same number of threads, fresh
// processes in alternating order; medians and every raw value. Agreement is checked first.
//
//   npm install --prefix /tmp/peers node-llama-cpp@3.22.1
//   node benchmarks/compare-llama-cpp.mjs --peer /tmp/peers [--threads 1,2] [--rounds 5]
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { nodeLlamaCpp } from '@thermocline/bench';
import { runQuietly } from './lib/fresh-process.mjs';
import { caseOf, decodeSpeed, measure, otherLoad } from './lib/measure.mjs';
import { demoModel, sampleIds, swigluModel, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';

const { values } = parseArgs({
  options: {
    peer: { type: 'string' },
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' },
    models: { type: 'string', default: '' },
  },
});
if (values.peer === undefined) {
  console.error('npm install --prefix FOLDER node-llama-cpp@3.22.1, then --peer FOLDER');
  process.exit(2);
}
const peer = nodeLlamaCpp(values.peer);
const DECODE_TARGET = 1.0;
const PREFILL_TARGET = 0.8;

const models = [demoModel, swigluModel, await synthModel('Q4_0')].filter(
  (model) => existsSync(model.path) && model.name.includes(values.models),
);
const agreement = [];
for (const model of models) {
  // llama.cpp does not know the demo model's ReLU: the same bytes, another function.
  if (model !== demoModel) agreement.push(await checkAgreement(model));
}
if (agreement.length > 0) {
  printTable(agreement);
  writeResults('agreement-llama-cpp', agreement);
}

const threads = values.threads.split(',').map(Number);
const { cases } = await measure({
  models: models.map(({ path }) => path),
  modes: ['dense'],
  grid: { threads },
  promptTokens: 512,
  rounds: Number(values.rounds),
  peers: [peer],
});
const summary = models.flatMap((_, model) => threads.map((count) => summarize(model, count)));
printTable(summary);
writeResults('compare-llama-cpp-raw', cases.flatMap(rawRows));
console.log(`written: ${writeResults('compare-llama-cpp', summary)}`);
if (summary.some(({ decode, prefill }) => decode === 'MISSED' || prefill === 'MISSED')) {
  process.exitCode = 1;
}

/** @param {number} model @param {number} count of threads */
function summarize(model, count) {
  const ours = caseOf(cases, { model, threads: count, engine: 'thermocline' });
  const theirs = caseOf(cases, { model, threads: count, engine: peer.name });
  const prefill = (/** @type {typeof ours} */ { median }) =>
    median.prefill_tokens_per_second ?? Number.NaN;
  const decodeRatio = decodeSpeed(ours) / decodeSpeed(theirs);
  const prefillRatio = prefill(ours) / prefill(theirs);
  return {
    model: models[model]?.name ?? '',
    threads: count,
    decode_ours: decodeSpeed(ours),
    decode_peer: decodeSpeed(theirs),
    decode_peer_inside: theirs.median.inner_decode_tokens_per_second ?? '',
    decode_ratio: decodeRatio,
    decode: decodeRatio >= DECODE_TARGET ? 'ok' : 'MISSED',
    prefill_ours: prefill(ours),
    prefill_peer: prefill(theirs),
    prefill_ratio: prefillRatio,
    prefill: prefillRatio >= PREFILL_TARGET ? 'ok' : 'MISSED',
    other_load: otherLoad([ours, theirs]),
    about: `${ours.about} | ${theirs.about}`.replaceAll(',', ';'),
  };
}

/** @param {import('@thermocline/bench').BenchmarkCase} one */
function rawRows({ model, threads: count, engine, rounds }) {
  const measures = /** @type {const} */ ([
    'prefill_tokens_per_second',
    'decode_tokens_per_second',
    'inner_decode_tokens_per_second',
  ]);
  return rounds.flatMap((round) =>
    measures.flatMap((measured) =>
      round[measured].map((value) => ({
        model: models[model]?.name ?? '',
        threads: count ?? '',
        engine,
        round: round.round,
        other_load: round.other_load ?? '',
        measure: measured.replace('_tokens_per_second', ''),
        tokens_per_second: value,
      })),
    ),
  );
}

/** @param {import('./lib/models.mjs').BenchmarkModel} model */
async function checkAgreement(model) {
  const task = { model: model.path, prompt: sampleIds(model, 16), decode: 17, context: 512 };
  const ours = await runQuietly('agreement-worker', task);
  const theirs = await runQuietly('agreement-worker', { ...task, peer: values.peer });
  const known = new Map(
    ours.top.map((/** @type {any} */ { id, logProbability }) => [id, logProbability]),
  );
  const gaps = theirs.top
    .map((/** @type {any} */ { id, logProbability }) =>
      Math.abs(logProbability - (known.get(id) ?? Number.NaN)),
    )
    .filter((/** @type {number} */ gap) => !Number.isNaN(gap));
  const same = ours.tokens.findIndex(
    (/** @type {number} */ token, /** @type {number} */ i) => token !== theirs.tokens[i],
  );
  return {
    model: model.name,
    top10_shared: gaps.length,
    largest_log_probability_gap: Math.max(...gaps),
    greedy_ids_shared: same === -1 ? ours.tokens.length : same,
  };
}

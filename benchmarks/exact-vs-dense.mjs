// What skipping neurons that are exactly zero saves: bytes read per token, and the speed of decode.
//
//   node benchmarks/exact-vs-dense.mjs [--threads 1,2] [--rounds 5]
import { parseArgs } from 'node:util';
import { caseOf, decodeSpeed, measure, otherLoad } from './lib/measure.mjs';
import { demoModel, synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' },
  },
});
const threads = values.threads.split(',').map(Number);

// Random gates fire for half of the neurons: far more than a model trained with ReLU.
const models = [demoModel, await synthModel('F16', { relu: true })];
const { cases } = await measure({
  models: models.map(({ path }) => path),
  modes: ['dense', 'exact'],
  grid: { threads },
  promptTokens: 0,
  rounds: Number(values.rounds),
});

/** @param {import('@thermocline/bench').BenchmarkCase} one */
function bytesOf({ rounds }) {
  return rounds[0]?.bytes_per_token ?? { total: Number.NaN, ffn: Number.NaN };
}

const rows = models.flatMap(({ name }, model) =>
  threads.map((count) => {
    const dense = caseOf(cases, { model, threads: count, mode: 'dense' });
    const exact = caseOf(cases, { model, threads: count, mode: 'exact' });
    return {
      model: name,
      threads: count,
      dense_tokens_per_second: decodeSpeed(dense),
      exact_tokens_per_second: decodeSpeed(exact),
      speed_ratio: decodeSpeed(exact) / decodeSpeed(dense),
      dense_bytes_per_token: bytesOf(dense).total,
      exact_bytes_per_token: bytesOf(exact).total,
      bytes_ratio: bytesOf(exact).total / bytesOf(dense).total,
      ffn_bytes_ratio: bytesOf(exact).ffn / bytesOf(dense).ffn,
      other_load: otherLoad([dense, exact]),
    };
  }),
);
printTable(rows);
console.log(`written: ${writeResults('exact-vs-dense', rows)}`);

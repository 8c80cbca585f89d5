// How close dense decode comes to what the memory can deliver: bytes read per token times tokens
// per second, beside plain reading that takes turns with it.
//
//   node benchmarks/roofline.mjs [--threads 1,2] [--rounds 3]
import { parseArgs } from 'node:util';
import { measure, otherLoad } from './lib/measure.mjs';
import { synthModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { median as middle } from './lib/statistics.mjs';

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '3' },
  },
});

const types = /** @type {const} */ (['F16', 'Q8_0', 'Q4_0']);
const models = await Promise.all(types.map((type) => synthModel(type)));
const { cases } = await measure({
  models: models.map(({ path }) => path),
  modes: ['dense'],
  grid: { threads: values.threads.split(',').map(Number) },
  promptTokens: 0,
  generate: 64,
  rounds: Number(values.rounds),
});
const rows = cases.map((one) => {
  const { median, model, threads } = one;
  const bytes = median.bytes_per_token ?? Number.NaN;
  const readings = one.rounds.map(
    ({ beside_reading: beside }) => beside?.bytes_per_second ?? Number.NaN,
  );
  const reading = middle(readings);
  return {
    model: models[model]?.name ?? '',
    threads: threads ?? '',
    bytes_per_token: bytes,
    tokens_per_second: median.decode_tokens_per_second ?? Number.NaN,
    limit_tokens_per_second: reading / bytes,
    achieved_gb_per_second: (median.achieved_bytes_per_second ?? Number.NaN) / 1e9,
    reading_gb_per_second: reading / 1e9,
    share: median.peak_share ?? Number.NaN,
    other_load: otherLoad([one]),
  };
});
printTable(rows);
console.log(`written: ${writeResults('roofline', rows)}`);

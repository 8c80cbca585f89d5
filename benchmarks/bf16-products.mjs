// What multiplying BF16 weights as they are brings, beside widening them to F32: the same files and
// threads, the two kernel sets in turn.
//
//   node benchmarks/bf16-products.mjs [--threads 1,2] [--rounds 5]
import { parseArgs } from 'node:util';
import { decodeSpeed, measure, otherLoad } from './lib/measure.mjs';
import { demoModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';
import { bf16Model, shapeModel } from './lib/shapes.mjs';
import { median } from './lib/statistics.mjs';

/** @typedef {import('@thermocline/bench').BenchmarkCase} Case */

const { values } = parseArgs({
  options: {
    threads: { type: 'string', default: '1,2' },
    rounds: { type: 'string', default: '5' },
  },
});
const models = [
  { name: 'demo-8M-BF16', path: bf16Model(demoModel.path), prompt: 256 },
  {
    name: 'tinyllama-1.1b-BF16',
    path: bf16Model(await shapeModel('tinyllama-1.1b', { type: 'F16' })),
    prompt: 512,
  },
];

const rows = [];
for (const model of models) {
  for (const threads of values.threads.split(',').map(Number)) {
    const usual = [];
    const paired = [];
    for (let round = 0; round < Number(values.rounds); round++) {
      const first = round % 2 === 0;
      if (first) usual.push(await run(model, threads, 'avx512-vnni'));
      paired.push(await run(model, threads, 'avx512-bf16'));
      if (!first) usual.push(await run(model, threads, 'avx512-vnni'));
    }
    const { name, prompt } = model;
    rows.push(rowOf({ name, threads, work: `prefill ${prompt}` }, usual, paired, prefillSpeed));
    rows.push(rowOf({ name, threads, work: 'decode' }, usual, paired, decodeSpeed));
  }
}
printTable(rows);
console.log(`written: ${writeResults('bf16-products', rows)}`);

/**
 * One fresh process.
 *
 * @param {{ path: string, prompt: number }} model
 * @param {number} threads
 * @param {string} kernels
 * @returns {Promise<Case>}
 */
async function run({ path, prompt }, threads, kernels) {
  const { cases } = await measure({
    models: [path],
    modes: ['dense'],
    kernels,
    grid: { threads: [threads] },
    promptTokens: prompt,
    generate: 32,
    rounds: 1,
  });
  const [one] = cases;
  if (one === undefined) throw new Error(`nothing was measured of ${path}`);
  return one;
}

/** @param {Case} one */
function prefillSpeed({ median: { prefill_tokens_per_second: speed } }) {
  return speed ?? Number.NaN;
}

/**
 * @param {{ name: string, threads: number, work: string }} what
 * @param {readonly Case[]} usual
 * @param {readonly Case[]} paired
 * @param {(one: Case) => number} speed
 */
function rowOf(what, usual, paired, speed) {
  const ratios = paired.map((one, i) => speed(one) / speed(/** @type {Case} */ (usual[i])));
  return {
    ...what,
    usual_tokens_per_second: median(usual.map(speed)),
    bf16_tokens_per_second: median(paired.map(speed)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    other_load: otherLoad([...usual, ...paired]),
  };
}

// What is measured for the table of bars, and how a round's results become a ratio.
import { caseOf, decodeSpeed } from './measure.mjs';
import { kQuantModel, shapeModel, shapePredictors } from './shapes.mjs';

/**
 * @typedef {import('@thermocline/bench').BenchmarkOptions} Options
 * @typedef {import('@thermocline/bench').Benchmark} Benchmark
 * @typedef {Record<string, Benchmark>} Round the results of one round by the run's name
 */

const SHORT = { promptTokens: 0, generate: 32 };
const DENSE = /** @type {const} */ (['dense']);
const PACKED = /** @type {const} */ ({ layout: 'packed' });

/**
 * Runs in the order of a round. `beside`: llama.cpp too.
 *
 * @type {Record<string, () => Promise<Options & { beside?: boolean }>>}
 */
export const RUNS = {
  '1b-q4_0': async () => ({
    models: [await shapeModel('tinyllama-1.1b')],
    modes: DENSE,
    grid: { threads: [1, 2] },
    generate: 64,
    beside: true,
  }),
  '1b-q8_0': async () => ({
    ...SHORT,
    models: [await shapeModel('tinyllama-1.1b', { type: 'Q8_0' })],
    modes: DENSE,
    grid: { threads: [2] },
    beside: true,
  }),
  '1b-q4_k': async () => ({
    ...SHORT,
    models: [kQuantModel()],
    modes: DENSE,
    grid: { threads: [2] },
    beside: true,
  }),
  '1b-f16': async () => ({
    ...SHORT,
    models: [await shapeModel('tinyllama-1.1b', { type: 'F16' })],
    modes: DENSE,
    grid: { threads: [1, 2] },
    beside: true,
  }),
  '1b-q4_0-batch': async () => ({
    ...SHORT,
    models: [await shapeModel('tinyllama-1.1b')],
    modes: DENSE,
    grid: { threads: [2], batch: [8] },
  }),
  '1b-q4_0-busy': async () => ({
    ...SHORT,
    models: [await shapeModel('tinyllama-1.1b')],
    modes: DENSE,
    grid: { threads: [2], busyCores: [1] },
    // The own loop: handing tokens over would wait for a core too.
    decode: 'greedy',
    beside: true,
  }),
  'bamboo-dense': async () => ({
    ...SHORT,
    models: [await shapeModel('bamboo-7b')],
    modes: DENSE,
    grid: { threads: [1, 2] },
    beside: true,
  }),
  'bamboo-sparse': async () => {
    const model = await shapeModel('bamboo-7b', PACKED);
    return {
      ...SHORT,
      models: [model],
      predictors: await shapePredictors(model, 'bamboo-7b'),
      modes: ['dense', 'exact', 'predicted'],
      grid: { threads: [2] },
    };
  },
  'llama-7b-dense': async () => ({
    ...SHORT,
    models: [await shapeModel('llama-7b-reglu')],
    modes: DENSE,
    grid: { threads: [2] },
    beside: true,
  }),
  'opt-sparse': async () => {
    const model = await shapeModel('opt-6.7b', PACKED);
    return {
      ...SHORT,
      models: [model],
      predictors: await shapePredictors(model, 'opt-6.7b'),
      modes: ['dense', 'predicted'],
      grid: { threads: [2] },
    };
  },
};

const OURS = 'thermocline';
const PEER = 'node-llama-cpp';

/** @param {Round} round @param {string} run @param {Parameters<typeof caseOf>[1]} values */
function decode(round, run, values) {
  return decodeSpeed(find(round, run, values));
}

/** @param {Round} round @param {string} run @param {Parameters<typeof caseOf>[1]} values */
function prefill(round, run, values) {
  return find(round, run, values).median.prefill_tokens_per_second ?? Number.NaN;
}

/** @param {Round} round @param {string} run @param {Parameters<typeof caseOf>[1]} values */
function find(round, run, values) {
  return caseOf(round[run]?.cases ?? [], values);
}

/** @param {string} run @param {number} threads @returns {(round: Round) => number} */
function denseDecode(run, threads) {
  return (round) =>
    decode(round, run, { engine: OURS, threads }) / decode(round, run, { engine: PEER, threads });
}

/**
 * @typedef {object} Bar
 * @property {string} work
 * @property {readonly string[]} runs that it needs
 * @property {number} bar
 * @property {number} aim
 * @property {(round: Round) => number} ratio
 */

/** @type {readonly Bar[]} */
export const BARS = [
  {
    work: 'dense decode, Bamboo-7B, Q4_0, 2 threads, over llama.cpp',
    runs: ['bamboo-dense'],
    bar: 1.05,
    aim: 1.2,
    ratio: denseDecode('bamboo-dense', 2),
  },
  {
    work: 'the same, 1 thread',
    runs: ['bamboo-dense'],
    bar: 1.2,
    aim: 1.5,
    ratio: denseDecode('bamboo-dense', 1),
  },
  {
    work: 'dense decode, 1B, Q4_0, 2 threads, over llama.cpp',
    runs: ['1b-q4_0'],
    bar: 1,
    aim: 1.15,
    ratio: denseDecode('1b-q4_0', 2),
  },
  {
    work: 'dense decode, 1B, Q8_0, 2 threads, over llama.cpp',
    runs: ['1b-q8_0'],
    bar: 0.97,
    aim: 1.1,
    ratio: denseDecode('1b-q8_0', 2),
  },
  {
    work: 'dense decode, 1B, Q4_K, 2 threads, over llama.cpp',
    runs: ['1b-q4_k'],
    bar: 0.97,
    aim: 1.1,
    ratio: denseDecode('1b-q4_k', 2),
  },
  {
    work: 'prefill of 512 tokens, 1B, Q4_0, 2 threads, over llama.cpp',
    runs: ['1b-q4_0'],
    bar: 0.8,
    aim: 1.1,
    ratio: (round) =>
      prefill(round, '1b-q4_0', { engine: OURS, threads: 2 }) /
      prefill(round, '1b-q4_0', { engine: PEER, threads: 2 }),
  },
  {
    work: 'exact decode, Bamboo-7B, 90 % sparse, Q4_0 packed, over llama.cpp dense',
    runs: ['bamboo-sparse', 'bamboo-dense'],
    bar: 1.7,
    aim: 2.1,
    ratio: (round) =>
      decode(round, 'bamboo-sparse', { mode: 'exact' }) /
      decode(round, 'bamboo-dense', { engine: PEER, threads: 2 }),
  },
  {
    work: 'predicted decode, Bamboo-7B, 90 % sparse, Q4_0 packed, over llama.cpp dense',
    runs: ['bamboo-sparse', 'bamboo-dense'],
    bar: 2.1,
    aim: 2.9,
    ratio: (round) =>
      decode(round, 'bamboo-sparse', { mode: 'predicted' }) /
      decode(round, 'bamboo-dense', { engine: PEER, threads: 2 }),
  },
  {
    work: 'predicted decode, OPT-6.7B, 97 % sparse, Q4_0 packed, over llama.cpp on a dense llama, bytes made equal',
    runs: ['opt-sparse', 'llama-7b-dense'],
    bar: 1.9,
    aim: 2.3,
    ratio: (round) => {
      const peer = find(round, 'llama-7b-dense', { engine: PEER });
      const bytes = find(round, 'opt-sparse', { mode: 'dense' }).median.bytes_per_token;
      const ofAsManyBytes = (decodeSpeed(peer) * (peer.median.bytes_per_token ?? 0)) / (bytes ?? 0);
      return decode(round, 'opt-sparse', { mode: 'predicted' }) / ofAsManyBytes;
    },
  },
  {
    work: 'dense F16 decode, 1B, 2 threads: bandwidth over the measured peak',
    runs: ['1b-f16'],
    bar: 0.9,
    aim: 1,
    ratio: (round) =>
      find(round, '1b-f16', { engine: OURS, threads: 2 }).median.peak_share ?? Number.NaN,
  },
  {
    work: 'FFN of predicted decode, Bamboo-7B: bandwidth over the measured peak',
    runs: ['bamboo-sparse'],
    bar: 0.8,
    aim: 0.92,
    ratio: (round) =>
      find(round, 'bamboo-sparse', { mode: 'predicted' }).median.ffn_peak_share ?? Number.NaN,
  },
  {
    work: '2 threads beside a busy core over 1 thread alone, 1B, Q4_0',
    runs: ['1b-q4_0-busy', '1b-q4_0'],
    bar: 0.8,
    aim: 1,
    ratio: (round) =>
      decode(round, '1b-q4_0-busy', { engine: OURS }) /
      decode(round, '1b-q4_0', { engine: OURS, threads: 1 }),
  },
  {
    work: 'batch of 8, 1B, Q4_0, 2 threads: tokens/s over those of own prefill',
    runs: ['1b-q4_0-batch', '1b-q4_0'],
    bar: 0.7,
    aim: 0.9,
    ratio: (round) =>
      decode(round, '1b-q4_0-batch', { engine: OURS }) /
      prefill(round, '1b-q4_0', { engine: OURS, threads: 2 }),
  },
];

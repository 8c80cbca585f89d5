// What is measured for the table of bars, and how a round's results become a ratio.
import { caseOf, decodeSpeed } from './measure.mjs';
import { kQuantModel, shapeModel, shapePredictors } from './shapes.mjs';

/**
 * @typedef {import('@thermocline/bench').BenchmarkOptions} Options
 * @typedef {import('@thermocline/bench').Benchmark} Benchmark
 * @typedef {Record<string, Benchmark>} Round the results of one round by the run's name
 */

const SHORT = { promptTokens: 0, generate: 32 };

/**
 * Dense decode of one model; what is not said otherwise is short and beside llama.cpp.
 *
 * @param {() => string | Promise<string>} model
 * @param {NonNullable<Options['grid']>} grid
 * @param {Options & { beside?: boolean }} [rest]
 * @returns {() => Promise<Options & { beside?: boolean }>}
 */
function dense(model, grid, rest = {}) {
  return async () => ({
    ...SHORT,
    models: [await model()],
    modes: ['dense'],
    grid,
    beside: true,
    ...rest,
  });
}

/** @param {import('@thermocline/synth').SyntheticType} type */
const model1b = (type) => () => shapeModel('tinyllama-1.1b', { type });

/**
 * Sparse modes of a packed model, with the predictors planted in it.
 *
 * @param {string} shape
 * @param {NonNullable<Options['modes']>} modes
 * @returns {() => Promise<Options & { beside?: boolean }>}
 */
function sparse(shape, modes) {
  return async () => {
    const model = await shapeModel(shape, { layout: 'packed' });
    const predictors = await shapePredictors(model, shape);
    return { ...SHORT, models: [model], predictors, modes, grid: { threads: [2] } };
  };
}

/**
 * Runs in the order of a round. `beside`: llama.cpp too.
 *
 * @type {Record<string, () => Promise<Options & { beside?: boolean }>>}
 */
export const RUNS = {
  '1b-q4_0': dense(model1b('Q4_0'), { threads: [1, 2] }, { promptTokens: 512, generate: 64 }),
  '1b-q8_0': dense(model1b('Q8_0'), { threads: [2] }),
  '1b-q4_k': dense(kQuantModel, { threads: [2] }),
  '1b-f16': dense(model1b('F16'), { threads: [1, 2] }),
  '1b-q4_0-batch': dense(
    model1b('Q4_0'),
    { threads: [2], batch: [8] },
    { promptTokens: 512, beside: false },
  ),
  // The own loop: handing tokens over would wait for a core too.
  '1b-q4_0-busy': dense(
    model1b('Q4_0'),
    { threads: [1, 2], busyCores: [0, 1] },
    { decode: 'greedy' },
  ),
  'bamboo-dense': dense(() => shapeModel('bamboo-7b'), { threads: [1, 2] }),
  'bamboo-sparse': sparse('bamboo-7b', ['dense', 'exact', 'predicted']),
  'llama-7b-dense': dense(() => shapeModel('llama-7b-reglu'), { threads: [2] }),
  'opt-sparse': sparse('opt-6.7b', ['dense', 'predicted']),
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

/** @param {typeof decode} figure @param {string} run @param {number} threads */
function overPeer(figure, run, threads) {
  return (/** @type {Round} */ round) =>
    figure(round, run, { engine: OURS, threads }) / figure(round, run, { engine: PEER, threads });
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
    ratio: overPeer(decode, 'bamboo-dense', 2),
  },
  {
    work: 'the same, 1 thread',
    runs: ['bamboo-dense'],
    bar: 1.2,
    aim: 1.5,
    ratio: overPeer(decode, 'bamboo-dense', 1),
  },
  {
    work: 'dense decode, 1B, Q4_0, 2 threads, over llama.cpp',
    runs: ['1b-q4_0'],
    bar: 1,
    aim: 1.15,
    ratio: overPeer(decode, '1b-q4_0', 2),
  },
  {
    work: 'dense decode, 1B, Q8_0, 2 threads, over llama.cpp',
    runs: ['1b-q8_0'],
    bar: 0.97,
    aim: 1.1,
    ratio: overPeer(decode, '1b-q8_0', 2),
  },
  {
    work: 'dense decode, 1B, Q4_K, 2 threads, over llama.cpp',
    runs: ['1b-q4_k'],
    bar: 0.97,
    aim: 1.1,
    ratio: overPeer(decode, '1b-q4_k', 2),
  },
  {
    work: 'prefill of 512 tokens, 1B, Q4_0, 2 threads, over llama.cpp',
    runs: ['1b-q4_0'],
    bar: 0.8,
    aim: 1.1,
    ratio: overPeer(prefill, '1b-q4_0', 2),
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
    work: 'dense F16 decode, 1B, 2 threads: bandwidth over that of plain reading in turn with it',
    runs: ['1b-f16'],
    bar: 0.9,
    aim: 1,
    ratio: (round) =>
      find(round, '1b-f16', { engine: OURS, threads: 2 }).median.peak_share ?? Number.NaN,
  },
  {
    work: 'FFN of predicted decode, Bamboo-7B: bandwidth over that of plain reading in turn with it',
    runs: ['bamboo-sparse'],
    bar: 0.8,
    aim: 0.92,
    ratio: (round) =>
      find(round, 'bamboo-sparse', { mode: 'predicted' }).median.ffn_peak_share ?? Number.NaN,
  },
  {
    work: '2 threads beside a busy core over 1 thread alone, 1B, Q4_0',
    runs: ['1b-q4_0-busy'],
    bar: 0.8,
    aim: 1,
    ratio: (round) =>
      decode(round, '1b-q4_0-busy', { engine: OURS, threads: 2, busy_cores: 1 }) /
      decode(round, '1b-q4_0-busy', { engine: OURS, threads: 1, busy_cores: 0 }),
  },
  {
    work: 'batch of 8, 1B, Q4_0, 2 threads: tokens/s over those of own prefill',
    runs: ['1b-q4_0-batch'],
    bar: 0.7,
    aim: 0.9,
    ratio: (round) =>
      decode(round, '1b-q4_0-batch', { engine: OURS }) /
      prefill(round, '1b-q4_0-batch', { engine: OURS }),
  },
];

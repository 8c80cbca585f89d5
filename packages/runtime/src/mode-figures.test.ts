import type { Evaluation, ModelInfo, PredictorSet, StepStats } from '@thermocline/contracts';
import { expect, it } from 'vitest';
import { compareWithDense, toScore } from './mode-figures.js';
import { newTally, scoreChunk } from './mode-tally.js';
import { noStats } from './step-stats.js';

/** Logits of probabilities; what is added to all of them must not matter. */
const logits = (probabilities: readonly number[], added: number) =>
  Float32Array.from(probabilities, (p) => Math.log(p) + added);

const stats = (layers: Partial<StepStats>): StepStats => ({ ...noStats(2), tokens: 2, ...layers });
const counted = { neurons: [8, 8], fired: [4, 2], computed: [8, 8] };

// Two tokens, three words. The second place has another favourite in the lossy mode.
const dense: Evaluation = {
  logits: [logits([0.5, 0.25, 0.25], 3), logits([0.2, 0.2, 0.6], 0)],
  stats: stats(counted),
};
const predicted: Evaluation = {
  logits: [logits([0.5, 0.25, 0.25], -1), logits([0.5, 0.2, 0.3], 7)],
  stats: stats({ ...counted, fired: [3, 2], computed: [6, 4] }),
  audit: {
    tokens: 2,
    firing: [4, 2],
    predicted: [6, 4],
    hits: [3, 2],
    firingValue: [10, 5],
    hitValue: [9, 5],
  },
};
const ids = Int32Array.of(1, 0, 2);

function evaluateBoth() {
  const tallies = [newTally('dense', 2), newTally('predicted', 2)] as const;
  scoreChunk(tallies, { start: 0, end: 2, evaluations: [dense, predicted] }, ids);
  return tallies;
}

const set: PredictorSet = {
  fingerprint: 'f',
  model: {} as ModelInfo,
  corpora: [],
  layers: [
    { kind: 'none' },
    {
      kind: 'trained',
      reads: 'same-layer',
      threshold: Float32Array.of(0),
      down: { type: 'F32', rows: 2, columns: 3, values: new Float32Array(6) },
      up: { type: 'F32', rows: 4, columns: 2, values: new Float32Array(8) },
    },
  ],
};

it('compares every token with itself', () => {
  const [reference, tally] = evaluateBoth();
  const base = toScore(reference, null);
  // Token 0 was given ½ by both, token 2 0.6 and 0.3.
  expect(base.nll).toBeCloseTo(-(Math.log(0.5) + Math.log(0.6)) / 2, 6);
  const result = compareWithDense(toScore(tally, null), base, tally, { set, parameters: 280 });
  expect(result.nll).toBeCloseTo(-(Math.log(0.5) + Math.log(0.3)) / 2, 6);
  expect(result.perplexityChange).toBeCloseTo(Math.SQRT2 - 1, 6);
  expect(result.nllChange.mean).toBeCloseTo(Math.LN2 / 2, 6);
  // Differences 0 and ln 2: standard deviation ln 2 / √2, of two.
  expect(result.nllChange.standardError).toBeCloseTo(Math.LN2 / 2, 6);
  expect(result.agreement).toBe(0.5);
  const kl = 0.2 * Math.log(0.2 / 0.5) + 0.6 * Math.log(0.6 / 0.3);
  expect(result.divergence).toBeCloseTo(kl / 2, 6);
});

it('tells what fires from what was foretold, by layer and in all', () => {
  const [reference, tally] = evaluateBoth();
  const decode = {
    tokensPerSecond: 100,
    rounds: [100],
    stats: stats({
      timeMs: 20,
      bytesRead: { gpu: 100, cpu: 300, flash: 0 },
      predictorBytes: [0, 40],
      predictorMs: [1, 3],
    }),
  };
  const { whole, layers } = compareWithDense(
    toScore(tally, decode),
    toScore(reference, null),
    tally,
    { set, parameters: 280 },
  );
  expect(whole).toEqual({
    trueSparsity: 1 - 6 / 16,
    predictedSparsity: 1 - 10 / 16,
    recallCount: 5 / 6,
    recallValue: 14 / 15,
    overPrediction: 10 / 6,
    predictor: { parameters: 14 / 280, bytes: 0.1, time: 0.2 },
  });
  expect(layers).toEqual([
    {
      trueSparsity: 0.5,
      predictedSparsity: 0.25,
      recallCount: 3 / 4,
      recallValue: 0.9,
      overPrediction: 1.5,
      predictor: { parameters: 0, bytes: 0, time: 0.05 },
    },
    {
      trueSparsity: 0.75,
      predictedSparsity: 0.5,
      recallCount: 1,
      recallValue: 1,
      overPrediction: 2,
      predictor: { parameters: 14 / 280, bytes: 0.1, time: 0.15 },
    },
  ]);
});

it('predicts nothing in a mode that does not', () => {
  const tallies = [newTally('dense', 2), newTally('exact', 2)] as const;
  scoreChunk(tallies, { start: 0, end: 2, evaluations: [dense, dense] }, ids);
  const [reference, exact] = tallies.map((tally) => toScore(tally, null));
  if (!reference || !exact) return expect.unreachable();
  const result = compareWithDense(exact, reference, tallies[1], { set, parameters: 280 });
  expect(result).toMatchObject({ perplexityChange: 0, agreement: 1, divergence: 0 });
  expect(result.nllChange).toEqual({ mean: 0, standardError: 0 });
  expect(result.whole).toEqual({
    trueSparsity: 1 - 6 / 16,
    // It computes what fires.
    predictedSparsity: 1 - 6 / 16,
    recallCount: null,
    recallValue: null,
    overPrediction: null,
    predictor: { parameters: null, bytes: null, time: null },
  });
});

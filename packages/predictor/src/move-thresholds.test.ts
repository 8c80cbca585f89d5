import type { LayerPredictor, ModelInfo, PredictorSet } from '@thermocline/contracts';
import { describe, expect, it } from 'vitest';
import { moveSparsity, moveThresholds } from './move-thresholds.js';
import { tinyModel } from './testing/tiny-model.js';

const model: ModelInfo = tinyModel().model;
const rows = (shifts: number[], shares: number[]) =>
  Float32Array.from(
    [0.9, 0.95, 0.99].flatMap((recall, i) => [
      recall,
      shares[i] as number,
      shifts[i] as number,
      recall,
    ]),
  );
const layer = (shifts: number[], shares: number[]): LayerPredictor => ({
  kind: 'signs',
  reads: 'same-layer',
  signs: new Uint8Array(0),
  threshold: Float32Array.of(1, 2),
  calibration: rows(shifts, shares),
  heldOut: { recallCount: 0.9, recallValue: 0.95, overPrediction: 1.2, tokens: 10 },
});
const set: PredictorSet = {
  fingerprint: 'x',
  model,
  corpora: [],
  madeBy: { tool: 'x', version: '1', options: { recall: 0.95, kind: 'gate' } },
  measured: [{ mode: 'predicted', perplexity: 2, densePerplexity: 1, tokens: 10 }],
  layers: [
    layer([0.5, 0, -1], [0.1, 0.2, 0.6]),
    { kind: 'none' },
    layer([0.25, 0, -0.5], [0.2, 0.4, 0.8]),
  ],
};
const thresholds = ({ layers }: PredictorSet) =>
  layers.map((one) => (one.kind === 'none' ? [] : [...one.threshold]));

describe('moveThresholds', () => {
  it('adds what lies between two rows, and can be moved again', () => {
    const moved = moveThresholds(set, 0.97);
    expect(thresholds(moved)[0]?.[0]).toBeCloseTo(0.5, 5);
    expect(thresholds(moved)[2]?.[1]).toBeCloseTo(1.75, 5);
    expect(moved.measured).toBeUndefined();
    expect(moved.layers[0]).not.toHaveProperty('heldOut');
    expect(moved.madeBy?.options).toEqual({ kind: 'gate', recall: 0.97 });
    const back = moveThresholds(moved, 0.95);
    for (const [i, values] of thresholds(back).entries()) {
      for (const [n, value] of values.entries()) {
        expect(value).toBeCloseTo(thresholds(set)[i]?.[n] as number, 5);
      }
    }
    expect(thresholds(set)[0]).toEqual([1, 2]);
  });

  it('reaches the ends of what was calibrated as they were written, and no further', () => {
    expect(thresholds(moveThresholds(set, 0.9))[0]).toEqual([1.5, 2.5]);
    expect(thresholds(moveThresholds(set, 0.99))[0]).toEqual([0, 1]);
    for (const recall of [0.89, 0.995, Number.NaN, 2]) {
      expect(() => moveThresholds(set, recall)).toThrow(
        /recall was calibrated from 0.900 to 0.990/,
      );
    }
  });

  it('keeps the proportions of a gate with a threshold for each neuron', () => {
    const gate = { ...set.layers[0], kind: 'gate' } as LayerPredictor;
    const moved = moveThresholds({ ...set, layers: [gate] }, 0.9);
    // Their mean was 1.5, and 0.5 is added to it.
    const [one, two] = thresholds(moved)[0] as [number, number];
    expect([one, two]).toEqual([expect.closeTo(4 / 3, 6), expect.closeTo(8 / 3, 6)]);
    expect(thresholds(moveThresholds(moved, 0.95))[0]?.[1]).toBeCloseTo(2, 5);
  });

  it('refuses a set that does not say how', () => {
    const { calibration: _, ...fixed } = set.layers[0] as LayerPredictor & { calibration: unknown };
    expect(() => moveThresholds({ ...set, layers: [fixed] }, 0.9)).toThrow(
      /1 layers .* no calibration/,
    );
    expect(() => moveThresholds({ ...set, layers: [{ kind: 'none' }] }, 0.9)).toThrow(/no layer/);
  });
});

describe('moveSparsity', () => {
  // Of 48 + 64 + 80 neurons.
  const sparsityOf = (first: number, last: number) => 1 - (48 * first + 64 + 80 * last) / 192;

  it('finds the thresholds of a share that is left out of the whole model', () => {
    const middle = moveSparsity(set, sparsityOf(0.2, 0.4));
    for (const [i, value] of [1, 2].entries())
      expect(thresholds(middle)[0]?.[i]).toBeCloseTo(value, 4);
    const between = moveSparsity(set, (sparsityOf(0.2, 0.4) + sparsityOf(0.6, 0.8)) / 2);
    expect(thresholds(between)[0]?.[0]).toBeCloseTo(0.5, 4);
    expect(between.madeBy?.options).toMatchObject({ sparsity: expect.any(Number) });
    expect(between.madeBy?.options).not.toHaveProperty('recall');
  });

  it('goes no further than was calibrated', () => {
    expect(() => moveSparsity(set, 0.9)).toThrow(/sparsity was calibrated from/);
    expect(() => moveSparsity(set, 0.01)).toThrow(/sparsity was calibrated from/);
  });
});

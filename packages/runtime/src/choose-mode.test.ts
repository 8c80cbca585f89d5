import type { LayerPredictor, MeasuredLoss, PredictorSet } from '@thermocline/contracts';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { chooseMode, loadModel, type Model, measureLoss, type OperatingPoint } from './index.js';

// Rows of recall, quantile, shift, recall of the layer.
const CALIBRATION = Float32Array.from([0.9, 0.1, 0.2, 0.9, 0.95, 0.2, 0.1, 0.95, 0.99, 0.3, 0, 1]);
const GATE: LayerPredictor = {
  kind: 'gate',
  reads: 'same-layer',
  threshold: Float32Array.of(0.01),
  calibration: CALIBRATION,
};
const loss = (change: number, point: OperatingPoint = {}): MeasuredLoss => ({
  mode: 'predicted',
  ...point,
  perplexity: 8 * (1 + change),
  densePerplexity: 8,
  tokens: 1000,
});

let model: Model;
let set: PredictorSet;
beforeAll(async () => {
  model = await loadModel();
  const { fingerprint, model: info } = model.info;
  const layers = Array.from({ length: info.layers }, () => GATE);
  const measured = [
    loss(0.004),
    loss(0.05, { recall: 0.9 }),
    loss(0.02, { recall: 0.95 }),
    loss(0.004, { recall: 0.99 }),
  ];
  set = { fingerprint, model: info, corpora: [], layers, measured };
});
beforeEach(() => model.usePredictors(set));
afterAll(() => model.close());

describe('chooseMode', () => {
  const timed = async (maxLoss: number) => {
    const choice = await chooseMode(model, { maxLoss, tokens: 4 });
    const { recall } = choice;
    expect(model.defaultMode).toBe(choice.mode);
    expect(model.predictors?.point).toEqual(recall === undefined ? {} : { recall });
    const weighed = choice.candidates.filter(({ tokensPerSecond }) => tokensPerSecond !== null);
    return weighed.map(({ mode, loss: lost, ...at }) => [mode, at.recall, Number(lost.toFixed(6))]);
  };
  const lossless = [
    ['dense', undefined, 0],
    ['exact', undefined, 0],
  ];

  it.each([
    [0, []],
    [0.01, [['predicted', undefined, 0.004]]],
    [0.03, [['predicted', 0.95, 0.02]]],
    [0.1, [['predicted', 0.9, 0.05]]],
  ])('times a lossy mode where it loses most of the %d allowed', async (maxLoss, lossy) => {
    expect(await timed(maxLoss)).toEqual([...lossless, ...lossy]);
  });

  it('runs a set as it was made where that is what was measured, wherever it stood before', async () => {
    await model.movePredictors({ recall: 0.9 });
    expect(await timed(0.01)).toEqual([...lossless, ['predicted', undefined, 0.004]]);
  });

  it('says that it was stopped, as everything else does, and leaves the model as it was', async () => {
    await model.movePredictors({ recall: 0.9 });
    model.defaultMode = 'exact';
    const signal = AbortSignal.abort();
    await expect(chooseMode(model, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
    expect(model.defaultMode).toBe('exact');
    expect(model.predictors?.point).toEqual({ recall: 0.9 });
  });
});

describe('measureLoss', () => {
  it('says that it was stopped within a text, and leaves the model as it was', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = () => controller.abort();
    const ids = Int32Array.from({ length: 400 }, (_, i) => 300 + i);
    const before = model.predictors?.made;
    await expect(measureLoss(model, set, ids, { signal, onProgress })).rejects.toMatchObject({
      code: 'ABORTED',
    });
    expect(model.predictors?.made).toBe(before);
  });
});

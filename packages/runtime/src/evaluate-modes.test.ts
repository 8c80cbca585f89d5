import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type LayerPredictor, type PredictorSet, TIERS } from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  evaluateModes,
  evaluatePerplexity,
  loadModel,
  type Model,
  measureDecode,
} from './index.js';

const text = readFileSync(join(demoModelPath(), '..', '..', 'texts', 'stories.txt'), 'utf8');

let model: Model;
beforeAll(async () => {
  model = await loadModel();
});
afterAll(() => model.close());

describe('evaluateModes', () => {
  it('finds that exact loses nothing, and gives the perplexity of each mode alone', async () => {
    const options = { tokens: 300, context: 128 };
    const { dense, modes, ...rest } = await evaluateModes(model, text, options);
    expect(rest).toEqual({ tokens: 300, context: 128, aborted: false, parameters: 7_998_720 });
    expect(modes).toHaveLength(1);
    const [exact] = modes;
    if (exact === undefined) return expect.unreachable();
    for (const score of [dense, exact]) {
      const { mode } = score;
      const alone = await evaluatePerplexity(model, text, { ...options, mode });
      expect(score.nll).toBe(alone.nll);
      expect(score.perplexity).toBe(alone.perplexity);
      expect(score.stats.bytesRead).toEqual(alone.stats.bytesRead);
    }
    expect(exact).toMatchObject({ mode: 'exact', agreement: 1 });
    expect(Math.abs(exact.perplexityChange)).toBeLessThan(1e-5);
    expect(exact.nllChange.mean).toBeCloseTo(exact.nll - dense.nll, 12);
    expect(exact.divergence).toBeLessThan(1e-8);
    expect(exact.whole.trueSparsity).toBeGreaterThan(0.8);
    expect(exact.whole.predictedSparsity).toBe(exact.whole.trueSparsity);
    expect(exact.layers.map(({ trueSparsity }) => trueSparsity)).toHaveLength(6);
  });

  it('takes each mode once, and only those that the model can run in', async () => {
    const modes = ['dense', 'exact', 'exact'] as const;
    const options = { tokens: 20, decodeTokens: 0 };
    const twice = await evaluateModes(model, text, { ...options, modes });
    expect(twice.modes.map(({ mode }) => mode)).toEqual(['exact']);
    expect([twice.dense.decode, twice.modes[0]?.decode]).toEqual([null, null]);
    const unsupported = evaluateModes(model, text, { modes: ['predicted'] });
    await expect(unsupported).rejects.toMatchObject({ code: 'MODE_UNSUPPORTED' });
  });

  it('returns what it has when it is stopped, and fails when it has nothing', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const onProgress = () => controller.abort();
    const part = await evaluateModes(model, text, { signal, onProgress, tokens: 2000 });
    expect(part.aborted).toBe(true);
    expect(part.tokens).toBeGreaterThan(0);
    expect(part.tokens).toBeLessThan(2000);
    expect(part.dense.decode).toBeNull();
    const none = evaluateModes(model, text, { signal });
    await expect(none).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('leaves no timelines behind', async () => {
    const kv = () => model.engine.memory().find(({ tier }) => tier === 'cpu')?.uses['kv'] ?? 0;
    const before = kv();
    await evaluateModes(model, text, { tokens: 20, decodeTokens: 2 });
    expect(kv()).toBe(before);
  });
});

describe('evaluateModes with predictors', () => {
  /** The gate itself: at 0 it finds exactly what fires, above it misses what is small. */
  const gate = (threshold: number): LayerPredictor => ({
    kind: 'gate',
    reads: 'same-layer',
    threshold: Float32Array.of(threshold),
  });
  const use = (layers: LayerPredictor[]) => {
    const { fingerprint, model: info } = model.info;
    const set: PredictorSet = { fingerprint, model: info, corpora: [], layers };
    return model.usePredictors(set);
  };
  const evaluate = async () => {
    const options = { tokens: 300, modes: ['predicted'], decodeTokens: 8 } as const;
    const { modes } = await evaluateModes(model, text, options);
    if (modes[0] === undefined) throw new Error('nothing was evaluated');
    return modes[0];
  };
  afterAll(() => model.usePredictors(null));

  it('loses nothing where everything that fires is predicted', async () => {
    await use(Array.from({ length: 6 }, () => gate(0)));
    const { whole, ...predicted } = await evaluate();
    expect(predicted.agreement).toBe(1);
    expect(Math.abs(predicted.perplexityChange)).toBeLessThan(1e-5);
    expect(whole).toMatchObject({ recallCount: 1, recallValue: 1, overPrediction: 1 });
    expect(whole.predictedSparsity).toBeCloseTo(whole.trueSparsity as number, 12);
    expect(whole.predictor.parameters).toBe(0);
  });

  it('finds in the layer that misses something what is missed, and what it costs', async () => {
    await use([gate(0), gate(0), gate(0.3), gate(0), gate(0), gate(0)]);
    const { layers, whole, ...predicted } = await evaluate();
    const recalls = layers.map(({ recallCount }) => recallCount ?? 0);
    expect(recalls.toSpliced(2, 1)).toEqual([1, 1, 1, 1, 1]);
    expect(recalls[2]).toBeLessThan(0.9);
    expect(layers[2]?.recallValue).toBeGreaterThan(recalls[2] ?? 1);
    expect(layers[2]?.overPrediction).toBeCloseTo(recalls[2] ?? 0, 9);
    expect(whole.recallCount).toBeGreaterThan(recalls[2] ?? 1);
    expect(predicted.divergence).toBeGreaterThan(1e-5);
    expect(predicted.agreement).toBeLessThan(1);
    expect(predicted.nllChange.standardError).toBeGreaterThan(0);
  });
});

describe('measureDecode', () => {
  it('reads the same tokens one by one in every mode', async () => {
    const ids = Int32Array.from({ length: 40 }, (_, i) => 300 + i);
    const speeds = await measureDecode(model, ['dense', 'exact'], ids, { decodeTokens: 5 });
    const [dense, exact] = [speeds.get('dense'), speeds.get('exact')];
    if (!dense || !exact) return expect.unreachable();
    expect(dense.rounds.length).toBe(exact.rounds.length);
    expect(dense.stats.tokens).toBe(5 * dense.rounds.length);
    const bytes = ({ stats }: typeof dense) =>
      TIERS.reduce((sum, tier) => sum + stats.bytesRead[tier], 0) / stats.tokens;
    expect(bytes(exact)).toBeLessThan(0.8 * bytes(dense));
    expect(dense.tokensPerSecond).toBeGreaterThanOrEqual(Math.min(...dense.rounds));
    expect(dense.tokensPerSecond).toBeLessThanOrEqual(Math.max(...dense.rounds));
  });

  it('measures nothing of a text that is too short, or when it is stopped at once', async () => {
    expect((await measureDecode(model, ['dense'], Int32Array.of(5))).size).toBe(0);
    const ids = new Int32Array(40).fill(300);
    const signal = AbortSignal.abort();
    expect((await measureDecode(model, ['dense'], ids, { signal })).size).toBe(0);
  });
});

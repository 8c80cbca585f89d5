import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type LayerPredictor,
  type PredictorSet,
  predictorWeights,
  readPredictorSet,
  type TokenWindow,
  writePredictorSet,
} from '@thermocline/contracts';
import { describe, expect, it } from 'vitest';
import { moveSparsity, moveThresholds } from './move-thresholds.js';
import { exactMath } from './testing/exact-math.js';
import { temporaryFolder } from './testing/temporary-folder.js';
import { type TinyModel, type TinyOptions, tinyModel, tinyWindows } from './testing/tiny-model.js';
import type { TrainOptions, TrainPhase } from './train-options.js';
import { trainPredictors } from './train-predictors.js';
import { planTraining } from './train-run.js';
import { removeTrainingFolder } from './work-folder.js';

const folder = temporaryFolder();
const WINDOWS = tinyWindows(24, 32);
const math = exactMath();

/** Small enough that every test is quick, with room for all that is asked. */
const GENEROUS = { budget: { share: 0.8 }, everyLayer: true } as const;

async function train(options: Partial<TrainOptions> = {}, model: TinyModel = tinyModel()) {
  const profile = await model.profile(WINDOWS);
  const windows = () => WINDOWS;
  return trainPredictors(model, profile, { math, weights: model, windows, ...options });
}

const predicting = ({ layers }: PredictorSet) =>
  layers.filter((one): one is Exclude<LayerPredictor, { kind: 'none' }> => one.kind !== 'none');

/** Value recall and over-prediction, as an engine with these thresholds would have them. */
async function measure(set: PredictorSet, model: TinyModel, windows: readonly TokenWindow[]) {
  const sums = { value: 0, found: 0, firing: 0, predicted: 0 };
  const { layers: profiled } = await model.profile(WINDOWS);
  for (const [layer, predictor] of set.layers.entries()) {
    const shown = { x: [] as Float32Array[], h: [] as Float32Array[] };
    const layers = [layer, Math.max(0, layer - 1)];
    for await (const batch of model.observe(windows, {
      layers,
      streams: ['ffn-input', 'activation'],
    })) {
      const reads =
        predictor.kind !== 'none' && predictor.reads === 'previous-layer' ? layer - 1 : layer;
      for (let i = 0; i < batch.values.length; i += batch.width) {
        const row = batch.values.slice(i, i + batch.width);
        if (batch.stream === 'ffn-input' && batch.layer === reads) shown.x.push(row);
        if (batch.stream === 'activation' && batch.layer === layer) shown.h.push(row);
      }
    }
    const norms = profiled[layer]?.contribution?.map(
      (v, n) => v / (profiled[layer]?.absSum?.[n] || 1),
    );
    const score = predictor.kind === 'none' ? undefined : await scorer(predictor, model, layer);
    for (const [i, h] of shown.h.entries()) {
      const scores = score?.(Float64Array.from(shown.x[i] as Float32Array));
      for (const [n, value] of h.entries()) {
        const worth = Math.abs(value) * (norms?.[n] ?? 1);
        const threshold =
          predictor.kind === 'none'
            ? 0
            : (predictor.threshold[predictor.threshold.length > 1 ? n : 0] as number);
        const predicted = scores === undefined || (scores[n] as number) > threshold;
        sums.value += worth;
        if (predicted) sums.found += worth;
        if (value !== 0) sums.firing++;
        if (predicted && scores) sums.predicted++;
      }
    }
  }
  return { recall: sums.found / sums.value, overPrediction: sums.predicted / sums.firing };
}

async function scorer(predictor: LayerPredictor, model: TinyModel, layer: number) {
  const { scorerOf } = await import('./testing/exact-math.js');
  return scorerOf(predictor, await model.readFirstMatrix(layer), model.model.activation);
}

describe('trainPredictors', () => {
  it('gives every layer a predictor, and all together the recall asked for', async () => {
    const phases = new Map<TrainPhase, number>();
    const seen: number[] = [];
    const set = await train({
      ...GENEROUS,
      recall: 0.95,
      onProgress: ({ phase, fraction }) => {
        expect(fraction).toBeGreaterThanOrEqual(0);
        expect(fraction).toBeLessThanOrEqual(1);
        phases.set(phase, fraction);
      },
      onLayer: ({ layer }) => seen.push(layer),
    });
    expect(Object.fromEntries(phases)).toEqual({ collect: 1, size: 1, train: 1, calibrate: 1 });
    expect(seen).toEqual([0, 1, 2]);
    const path = join(folder, 'set');
    await writePredictorSet(path, set);
    expect(await readPredictorSet(path, { fingerprint: tinyModel().fingerprint })).toEqual(set);
    expect(predicting(set)).toHaveLength(3);
    const heldOut = WINDOWS.filter((_, i) => i % 8 === 7);
    const measured = await measure(set, tinyModel(), heldOut);
    expect(measured.recall).toBeCloseTo(0.95, 2);
    expect(measured.overPrediction).toBeLessThan(1.4);
    const pooled = predicting(set).map((one) => one.heldOut?.recallValue as number);
    expect(Math.min(...pooled)).toBeLessThan(0.955);
    for (const { heldOut: quality } of predicting(set)) {
      expect(quality).toMatchObject({ tokens: 3 * 32 });
      expect(quality?.density).toBeGreaterThan(0.1);
    }
  });

  it('can be moved to other recalls, which then hold', async () => {
    const set = await train({ ...GENEROUS, kind: 'factorised' });
    const heldOut = WINDOWS.filter((_, i) => i % 8 === 7);
    for (const recall of [0.85, 0.95]) {
      const moved = moveThresholds(set, recall);
      expect((await measure(moved, tinyModel(), heldOut)).recall).toBeCloseTo(recall, 2);
    }
  });

  it.each(['factorised', 'signs', 'gate'] as const)('makes %s without training', async (kind) => {
    const set = await train({ ...(kind === 'factorised' && GENEROUS), kind, recall: 0.9 });
    const kinds = new Set(set.layers.map((one) => one.kind));
    expect(kinds).toEqual(new Set([kind]));
    const heldOut = WINDOWS.filter((_, i) => i % 8 === 7);
    const { recall } = await measure(set, tinyModel(), heldOut);
    expect(recall).toBeGreaterThan(0.895);
    // Scores that are whole numbers leave nothing between.
    expect(recall).toBeLessThan(kind === 'signs' ? 0.93 : 0.905);
  });

  it('looks ahead, and reports what that costs', async () => {
    const set = await train({ ...GENEROUS, lookahead: true, recall: 0.95 });
    const [first, ...rest] = predicting(set);
    expect(first).toMatchObject({ reads: 'same-layer' });
    expect(first).not.toHaveProperty('sameLayer');
    for (const one of rest) {
      expect(one.reads).toBe('previous-layer');
      expect(one.sameLayer?.overPrediction).toBeLessThan(
        (one.heldOut?.overPrediction as number) + 0.2,
      );
    }
  });

  it('keeps to the budget', async () => {
    const bytes = 20_000;
    const set = await train({ budget: { bytes }, everyLayer: true });
    const weights = predicting(set).map(predictorWeights);
    expect(weights.reduce((sum, count) => sum + count, 0)).toBeLessThan(bytes);
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const none = await train({ budget: { share: 0.01 }, onNotice });
    expect(none.layers.map(({ kind }) => kind)).toEqual(['none', 'none', 'none']);
    expect(notices).toEqual([
      expect.stringMatching(
        /^The budget of 1\.0 % of the model's weights holds no predictor for 3 of 3 layers: nothing will be predicted.*The narrowest takes \d+\.\d % .*--budget/,
      ),
    ]);
    await expect(train({ budget: { share: 0.01 }, everyLayer: true })).rejects.toThrow(
      /budget is too small: the narrowest predictors of 3 layers take \d+\.\d % of .* room for 1\.0 % .*--budget\), or leave --every-layer out/,
    );
    await expect(train({ budget: { bytes: 1024 }, everyLayer: true })).rejects.toThrow(
      /take \d+\.\d KiB, there is room for 1\.0 KiB\./,
    );
  });

  it('takes widths as given, and leaves out layers with 0', async () => {
    const set = await train({ widths: [32, 0, 64] });
    expect(set.layers.map((one) => ('down' in one ? one.down.rows : 0))).toEqual([32, 0, 64]);
    expect(set.madeBy?.options).toMatchObject({ widths: [32, 0, 64] });
  });

  it('goes by sparsity and skew where weights are not shown', async () => {
    const model = tinyModel();
    const profile = await model.profile(WINDOWS);
    const windows = () => WINDOWS;
    const set = await trainPredictors(model, profile, { math, windows, ...GENEROUS });
    const [first, , last] = predicting(set);
    expect(predictorWeights(last as LayerPredictor)).toBeGreaterThanOrEqual(
      predictorWeights(first as LayerPredictor),
    );
    await expect(
      trainPredictors(model, profile, { math, windows, kind: 'factorised' }),
    ).rejects.toThrow(/weights are needed for kind "factorised"/);
  });

  it('leaves a model of SiLU the share of neurons that is asked for', async () => {
    const model = tinyModel({ activation: 'silu' });
    const set = await train({ kind: 'gate', sparsity: 0.4 }, model);
    const heldOut = WINDOWS.filter((_, i) => i % 8 === 7);
    const { overPrediction } = await measure(set, model, heldOut);
    // Everything fires there.
    expect(overPrediction).toBeCloseTo(0.6, 2);
    for (const sparsity of [0.2, 0.7]) {
      const moved = await measure(moveSparsity(set, sparsity), model, heldOut);
      expect(moved.overPrediction).toBeCloseTo(1 - sparsity, 1);
    }
    // Value goes first: half of the neurons hold much more than half of it.
    const quality = predicting(set).map((one) => one.heldOut?.recallValue as number);
    expect(Math.min(...quality)).toBeGreaterThan(0.7);
    const usual = await train({}, model);
    expect(usual.madeBy?.options).toMatchObject({ kind: 'gate', sparsity: 0.5 });
  });

  it.each(['trained', 'factorised', 'signs'] as const)(
    'refuses kind %s for a model of SiLU at once',
    async (kind) => {
      const onProgress = () => {
        throw new Error('nothing is to be read');
      };
      await expect(train({ kind, onProgress }, tinyModel({ activation: 'silu' }))).rejects.toThrow(
        /^kind must be "gate" \(--kind gate\) for a model with silu, not /,
      );
    },
  );

  it('says how signs are counted', async () => {
    const notices: string[] = [];
    await train({ kind: 'signs', onNotice: (notice) => notices.push(notice) });
    expect(notices).toEqual([expect.stringMatching(/one bit .* budget is not applied/)]);
  });

  it('counts by activation alone only in a layer that was silent for the profile', async () => {
    const model = tinyModel();
    const profile = await model.profile(WINDOWS);
    const [silent] = profile.layers;
    for (const sums of [silent?.fires, silent?.absSum, silent?.contribution]) {
      (sums as { fill(value: unknown): void }).fill(sums instanceof BigInt64Array ? 0n : 0);
    }
    const notices: string[] = [];
    const options = { math, weights: model, windows: () => WINDOWS };
    const run = planTraining(model, profile, {
      ...options,
      onNotice: (notice) => notices.push(notice),
    });
    expect(new Set(run.norms[0])).toEqual(new Set([1]));
    expect(new Set(run.norms[1]).size).toBeGreaterThan(1);
    expect(notices).toEqual([expect.stringMatching(/^No neuron of layer 0 was active/)]);
  });

  it('leaves out layers in which nothing or everything fires', async () => {
    const model = tinyModel();
    const profile = await model.profile(WINDOWS);
    const [dead, full] = [profile.layers[0], profile.layers[1]];
    dead?.fires.fill(0n);
    full?.fires.fill(BigInt(full.tokens));
    const set = await trainPredictors(model, profile, {
      math,
      weights: model,
      windows: () => WINDOWS,
      budget: { share: 0.8 },
    });
    expect(set.layers[0]).toEqual({ kind: 'none' });
    expect(set.layers[1]).toEqual({ kind: 'none' });
    expect(JSON.stringify(set.madeBy)).toMatch(
      /none of its neurons fired.*100.0 % of its neurons fire/,
    );
  });

  it('reads the text once for each group of layers that fits the cache, with the same result', async () => {
    let reads = 0;
    const windows = () => {
      reads++;
      return WINDOWS;
    };
    const options = { ...GENEROUS, widths: [32, 32, 32], tokens: 768 };
    const once = await train({ ...options, windows });
    expect(reads).toBe(1);
    const often = await train({ ...options, windows, cacheBytes: 300_000 });
    expect(reads).toBeGreaterThan(2);
    expect(often.layers).toEqual(once.layers);
  });

  it('says how much a cache that is too small holds', async () => {
    const small = (cacheBytes: number) => train({ ...GENEROUS, widths: [32, 32, 32], cacheBytes });
    await expect(small(1024)).rejects.toThrow(
      /^cacheBytes is too small: 1\.0 KiB hold the samples of \d tokens, each .* bytes.*--cache/,
    );
    await expect(small(10_000)).rejects.toThrow(
      /^cacheBytes is too small: 9\.8 KiB hold .* too few to train on some and hold others out/,
    );
  });
});

describe('a checkpoint', () => {
  const stopping = (after: number, stop: () => void) => {
    let fits = 0;
    return exactMath({
      onFit: ({ kind }) => {
        if (kind === 'trained' && ++fits > after) stop();
      },
    });
  };

  it('loses at most one layer, and ends with the same bits', async () => {
    const whole = await train(GENEROUS);
    const checkpoint = { path: join(folder, 'resume') };
    const failing = stopping(2, () => {
      throw new Error('the power went');
    });
    await expect(train({ ...GENEROUS, checkpoint, math: failing })).rejects.toThrow(
      'the power went',
    );
    const fresh: number[] = [];
    const notices: string[] = [];
    const set = await train({
      ...GENEROUS,
      checkpoint,
      onLayer: ({ layer, resumed }) => resumed || fresh.push(layer),
      onNotice: (notice) => notices.push(notice),
    });
    expect(fresh).toEqual([2]);
    expect(notices).toEqual([
      `Went on from the progress in ${checkpoint.path}: 2 of 3 layers are ready.`,
    ]);
    expect(set).toEqual(whole);
    // A call after a finished one takes all from there, and reads nothing.
    const unread = () => {
      throw new Error('not to be read');
    };
    expect(await train({ ...GENEROUS, checkpoint, windows: unread })).toEqual(whole);
    expect(existsSync(join(checkpoint.path, 'samples', 'first'))).toBe(false);
    await removeTrainingFolder(checkpoint.path);
    expect(existsSync(checkpoint.path)).toBe(false);
  });

  it('goes on with another size of the cache, to the same bits', async () => {
    const options = { ...GENEROUS, widths: [32, 32, 32], tokens: 768 };
    const whole = await train(options);
    const failing = () =>
      stopping(1, () => {
        throw new Error('the power went');
      });
    // 300,000 bytes hold the samples of some layers at once; 8 GiB those of all.
    for (const [before, after] of [
      [300_000, undefined],
      [undefined, 300_000],
    ]) {
      const cache = (cacheBytes?: number) => (cacheBytes === undefined ? {} : { cacheBytes });
      const checkpoint = { path: join(folder, `cache-${before}`) };
      const first = train({ ...options, ...cache(before), checkpoint, math: failing() });
      await expect(first).rejects.toThrow('the power went');
      const set = await train({ ...options, ...cache(after), checkpoint });
      expect(set.layers).toEqual(whole.layers);
    }
  });

  it('keeps finished layers when it is aborted, and says where', async () => {
    const checkpoint = { path: join(folder, 'aborted'), keepSamples: true };
    const abort = new AbortController();
    const aborting = stopping(1, () => abort.abort());
    const { signal } = abort;
    await expect(train({ ...GENEROUS, checkpoint, math: aborting, signal })).rejects.toMatchObject({
      code: 'ABORTED',
      message: expect.stringMatching(/finished layers are kept in .*aborted; run again/),
    });
    expect(readdirSync(checkpoint.path).sort()).toContain('layer-0.safetensors');
    expect(readdirSync(checkpoint.path)).not.toContain('in-use');
    await train({ ...GENEROUS, checkpoint });
    expect(existsSync(join(checkpoint.path, 'samples', 'first', 'same-layer', 'train'))).toBe(true);
  });

  it('refuses progress of other settings, of another model, and what is damaged', async () => {
    const checkpoint = { path: join(folder, 'settings') };
    const options = { widths: [32, 32, 32], checkpoint };
    await train(options);
    const mismatch = (reason: string) => ({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(new RegExp(`${reason}.*--restart`)),
    });
    await expect(train({ ...options, seed: 1 })).rejects.toMatchObject(mismatch('seed 0, not 1'));
    const other: TinyOptions = { layers: [48, 64, 96] };
    await expect(train(options, tinyModel(other))).rejects.toMatchObject(mismatch('another model'));
    const corpora = [{ name: 'a', sha256: '0'.repeat(64), tokens: 3 }];
    await expect(train({ ...options, corpora })).rejects.toMatchObject(mismatch('another corpus'));
    const signs = { kind: 'signs', checkpoint: { path: join(folder, 'signs') } } as const;
    await train(signs);
    await expect(train({ ...signs, everyLayer: true })).rejects.toMatchObject(
      mismatch('every_layer false, not true'),
    );
    writeFileSync(join(checkpoint.path, 'layer-1.safetensors'), 'x');
    await expect(train(options)).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      message: expect.stringMatching(/layer-1.*--restart/),
    });
    writeFileSync(join(checkpoint.path, 'settings.json'), '{');
    await expect(train(options)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
    await train({ ...options, seed: 1, checkpoint: { ...checkpoint, restart: true } });
  });

  it('refuses a folder of something else, and one that is in use', async () => {
    const path = join(folder, 'foreign');
    await removeTrainingFolder(path);
    const held: { second?: Promise<unknown> } = {};
    const twice = exactMath({
      onFit: () => {
        held.second ??= train({ widths: [32, 0, 0], checkpoint: { path } }).catch((error) => error);
      },
    });
    await train({ widths: [32, 0, 0], math: twice, checkpoint: { path } });
    expect(await held.second).toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringMatching(/is training there/),
    });
    // What a killed process held is free again.
    writeFileSync(join(path, 'in-use'), '999999999\n');
    await train({ widths: [32, 0, 0], checkpoint: { path } });
    writeFileSync(join(path, 'holiday.jpg'), 'x');
    await removeTrainingFolder(path);
    expect(readdirSync(path)).toEqual(['holiday.jpg']);
    await expect(train({ widths: [32, 0, 0], checkpoint: { path } })).rejects.toThrow(
      /holds "holiday.jpg"/,
    );
  });
});

describe('what cannot be trained', () => {
  it('is refused with a reason', async () => {
    const refused = (options: Partial<TrainOptions>) =>
      train(options).then(
        () => '',
        (error: Error) => error.message,
      );
    expect(await refused({ recall: 1 })).toMatch(/recall must lie between 0 and 1/);
    expect(await refused({ sparsity: 0.5 })).toMatch(/sparsity is for kind "gate"/);
    expect(await refused({ kind: 'gate', recall: 0.9, sparsity: 0.5 })).toMatch(
      /together with recall/,
    );
    expect(await refused({ kind: 'gate', lookahead: true })).toMatch(
      /lookahead is not for kind "gate"/,
    );
    expect(await refused({ kind: 'best' as 'gate' })).toMatch(
      /kind must be one of trained, factorised/,
    );
    expect(await refused({ widths: [32] })).toMatch(/widths must be 3 numbers/);
    expect(await refused({ widths: [32, 33, 32] })).toMatch(/widths\[1\] must be a multiple of 32/);
    expect(await refused({ kind: 'signs', widths: [32, 32, 32] })).toMatch(/widths are for kinds/);
    expect(await refused({ kind: 'gate', budget: { share: 0.1 } })).toMatch(/budget is for kinds/);
    expect(await refused({ kind: 'signs', type: 'Q4_0' })).toMatch(/type is for kinds/);
    expect(await refused({ kind: 'factorised', epochs: 2 })).toMatch(/epochs are for kind/);
    expect(await refused({ epochs: 1001 })).toMatch(/epochs must be a whole number 1–1000/);
    expect(await refused({ tokens: 0 })).toMatch(/tokens must be a whole number/);
    expect(await refused({ budget: { share: 2 } })).toMatch(/budget.share must lie/);
    expect(await refused({ overPrediction: 0.5 })).toMatch(/overPrediction must lie/);
  });

  it('is what a profile of another model would be used for', async () => {
    const profile = await tinyModel({ layers: [48] }).profile(WINDOWS);
    const model = tinyModel();
    await expect(
      trainPredictors(model, profile, { math, windows: () => WINDOWS }),
    ).rejects.toMatchObject({ code: 'ARTIFACT_MODEL_MISMATCH' });
  });
});

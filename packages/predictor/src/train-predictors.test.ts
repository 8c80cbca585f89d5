import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { predictorWeights, readPredictorSet, writePredictorSet } from '@thermocline/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { exactMath } from './testing/exact-math.js';
import { type TinyModel, tinyModel, tinyWindows } from './testing/tiny-model.js';
import type { TrainOptions, TrainProgress } from './train-options.js';
import { trainPredictors } from './train-predictors.js';
import { removeTrainingFolder } from './work-folder.js';

const folder = mkdtempSync(join(tmpdir(), 'predictor-test-'));
afterAll(() => rmSync(folder, { recursive: true }));
const WINDOWS = tinyWindows(24, 40);
const math = exactMath();

async function trained(model: TinyModel, options: Partial<TrainOptions> = {}) {
  const profile = await model.profile(WINDOWS);
  const windows = () => WINDOWS;
  return trainPredictors(model, profile, {
    math,
    weights: model,
    windows,
    budget: { share: 0.5 },
    ...options,
  });
}

describe('trainPredictors', () => {
  it('trains a predictor for every layer that reaches the recall', async () => {
    const progress: TrainProgress[] = [];
    const set = await trained(tinyModel(), { everyLayer: true, onProgress: (p) => progress.push(p) });
    const path = join(folder, 'set');
    await writePredictorSet(path, set);
    expect(await readPredictorSet(path, { fingerprint: 'tiny-relu-48-64-80' })).toEqual(set);
    console.log(set.layers.map((l) => l.kind === 'none' ? l : [l.kind, predictorWeights(l), l.heldOut]), set.madeBy);
    expect(new Set(progress.map(({ phase }) => phase))).toEqual(new Set(['collect', 'size', 'train', 'calibrate']));
  });
});

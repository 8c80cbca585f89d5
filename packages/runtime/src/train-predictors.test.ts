import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ActivationProfile } from '@thermocline/contracts';
import { demoTrainingText } from '@thermocline/demo-model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel, type Model, openCorpus, type TrainPredictorsOptions } from './index.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-runtime-train-'));
const TOKENS = 3000;
let model: Model;
let profile: ActivationProfile;
beforeAll(async () => {
  model = await loadModel();
  await using corpus = await openCorpus([{ path: demoTrainingText() }]);
  profile = await model.profile(corpus, { tokens: 1024 });
});
afterAll(async () => {
  await model.close();
  rmSync(folder, { recursive: true });
});

async function train(seed: number, options: TrainPredictorsOptions = {}) {
  await using corpus = await openCorpus([{ path: demoTrainingText() }], { seed });
  const checkpoint = { path: join(folder, 'checkpoint') };
  const reading = { tokens: TOKENS, context: 128 };
  return await model.trainPredictors(corpus, profile, {
    kind: 'signs',
    checkpoint,
    ...reading,
    ...options,
  });
}

describe('Model.trainPredictors', () => {
  it('goes on only with documents in the same order, and tells how much of them it read', async () => {
    const controller = new AbortController();
    const { signal } = controller;
    const stopped = train(3, { signal, onLayer: () => controller.abort() });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    await expect(train(4)).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(/"seed":3.*"seed":4.*--restart/),
    });
    const resumed: boolean[] = [];
    const set = await train(3, { onLayer: (layer) => resumed.push(layer.resumed) });
    expect(resumed).toEqual([true, false, false, false, false, false]);
    expect(set.corpora).toMatchObject([{ name: 'training.txt', tokens: TOKENS }]);
  });
});

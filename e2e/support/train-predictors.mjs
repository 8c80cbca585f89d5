// Trains predictors of the demo model on the texts that come with it. As a program,
// `node train-predictors.mjs PROFILE OUTPUT CHECKPOINT` writes the set: for tests that kill it.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { readActivationProfile, writePredictorSet } from '@thermocline/contracts';
import { openEngine, openPredictorMath } from '@thermocline/engine-native';
import { removeTrainingFolder, trainPredictors } from '@thermocline/predictor';
import { cutWindows, openCorpus, profileModel } from '@thermocline/profiler';

const DEMO = resolve(import.meta.dirname, '..', '..', 'packages', 'demo-model');
const MODEL = join(DEMO, 'model', 'Llama-ReGLU-Stories-8M-f16.gguf');
const CONTEXT = 128;

const openTexts = () => openCorpus([join(DEMO, 'texts', 'training.txt')], { seed: 7 });

/** What fires how often. */
export async function profileTraining() {
  const engine = await openEngine(MODEL);
  const corpus = await openTexts();
  try {
    return await profileModel(engine, corpus, { tokens: 16_384, context: CONTEXT });
  } finally {
    await corpus.close();
    await engine.close();
  }
}

/**
 * @param {import('@thermocline/contracts').ActivationProfile} profile
 * @param {Partial<import('@thermocline/predictor').TrainOptions>} [options]
 * @param {string} [model]
 */
export async function trainOnTexts(profile, options = {}, model = MODEL) {
  const engine = await openEngine(model);
  const math = await openPredictorMath();
  const corpus = await openTexts();
  const tokens = options.tokens ?? 32_768;
  try {
    return await trainPredictors(engine, profile, {
      math,
      weights: engine,
      windows: () => cutWindows(engine, corpus, { tokens, context: CONTEXT }),
      ...((options.kind ?? 'trained') === 'trained' && { epochs: 2 }),
      ...options,
      tokens,
    });
  } finally {
    await corpus.close();
    await math.close();
    await engine.close();
  }
}

const [, script, profile, output, path] = process.argv;
if (script === import.meta.filename && profile && output && path) {
  // What a command does: the output first, then the folder goes.
  if (!existsSync(output)) {
    const set = await trainOnTexts(await readActivationProfile(profile), {
      tokens: 8_192,
      checkpoint: { path },
      onLayer: ({ layer, resumed }) => process.stdout.write(`${layer} ${resumed}\n`),
    });
    await writePredictorSet(output, set);
  }
  await removeTrainingFolder(path);
}

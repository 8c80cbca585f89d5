// Profiles the texts of the demo model. As a program, `node profile-texts.mjs OUTPUT CHECKPOINT`
// writes the profile: for tests that kill it.
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { writeActivationProfile } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import { openCorpus, profileModel, removeCheckpoint } from '@thermocline/profiler';

const DEMO = resolve(import.meta.dirname, '..', '..', 'packages', 'demo-model');
const MODEL = join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');

/** Two domains in an order that a seed decides. */
function openTexts() {
  const input = (/** @type {string} */ domain) => {
    return { path: join(DEMO, 'texts', `${domain}.txt`), domain };
  };
  return openCorpus([input('stories'), input('shakespeare')], { seed: 7 });
}

/**
 * @param {import('@thermocline/profiler').ProfileOptions} [options]
 * @param {string} [model]
 */
export async function profileTexts(options, model = MODEL) {
  const engine = await openEngine(model);
  const corpus = await openTexts();
  try {
    return await profileModel(engine, corpus, { context: 128, ...options });
  } finally {
    await corpus.close();
    await engine.close();
  }
}

const [, script, output, path] = process.argv;
if (script === import.meta.filename && output && path) {
  // What a command does: the output first, then the checkpoint goes.
  if (!existsSync(output)) {
    const onProgress = (/** @type {number} */ done) => process.stdout.write(`${done}\n`);
    const profile = await profileTexts({ checkpoint: { path, everyMs: 20 }, onProgress });
    await writeActivationProfile(output, profile);
  }
  await removeCheckpoint(path);
}

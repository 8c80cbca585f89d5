import { DEMO_MODEL } from '@thermocline/demo-model';
import { formatBytes, loadModel, type Model } from '@thermocline/runtime';
import { compareModes } from '../demo/compare-modes.js';
import { showPlacement } from '../demo/show-placement.js';
import { showProfile } from '../demo/show-profile.js';
import { showTraining } from '../demo/show-training.js';
import { tellStory } from '../demo/tell-story.js';
import { formatCount } from '../format.js';
import { colors, print } from '../terminal.js';

/**
 * Everything `npm run demo` shows: a story and what did not have to be computed for it, which
 * neurons fire on real text, where they would live on a small machine, what predicts them, and the
 * three modes side by side.
 */
export async function demo(): Promise<void> {
  await using model = await loadModel();
  introduce(model);
  await tellStory(model);
  const profile = await showProfile(model);
  await showPlacement(profile);
  const predictors = await showTraining(model, profile);
  await compareModes(model, predictors);
}

function introduce({ info }: Model): void {
  const { model } = info;
  print(colors.bold(info.name));
  print(`${formatCount(DEMO_MODEL.parameters)} parameters, ${DEMO_MODEL.origin}.`);
  print(
    `${model.layers} layers of ${formatCount(model.n_ff[0] ?? 0)} FFN neurons with ` +
      `${model.activation} gates, ${formatBytes(DEMO_MODEL.bytes)}; ` +
      `${info.threads} threads, kernels ${info.kernels}.`,
  );
}

import type { ActivationProfile, PredictorSet } from '@thermocline/contracts';
import { demoTrainingText } from '@thermocline/demo-model';
import { type Model, openCorpus } from '@thermocline/runtime';
import { formatCount, formatMs, formatShare } from '../format.js';
import { predictorsJson } from '../inspect/predictor-json.js';
import { startProgress } from '../progress.js';
import { table } from '../table.js';
import { colors, print } from '../terminal.js';

// A quarter of the text, read twice: close to what a full run reaches, in a fraction of its time.
const TOKENS = 32_768;
const EPOCHS = 2;

/** Trains predictors for the model, and shows what each layer got and how well it foretells. */
export async function showTraining(
  model: Model,
  profile: ActivationProfile,
): Promise<PredictorSet> {
  const { set, ms } = await train(model, profile);
  const { layers, params_share: share } = predictorsJson(set);
  print();
  print(colors.bold('Predictors: which neurons will fire, before they are computed'));
  print(`  trained on ${formatCount(TOKENS)} tokens in ${formatMs(ms)}; on text held out of it:`);
  print();
  print(
    table(
      layers.map((layer, number) => [
        String(number),
        layer.kind,
        layer.rank === null ? '' : String(layer.rank),
        formatShare(layer.density),
        layer.recall_value === null ? '' : formatShare(layer.recall_value),
        layer.over_prediction === null ? '' : `${layer.over_prediction.toFixed(2)} × firing`,
      ]),
      {
        head: ['layer', 'kind', 'width', 'fire', 'value recall', 'predicted'],
        right: [0, 2, 3, 4, 5],
      },
    ),
  );
  print(`  all of them: ${formatShare(share)} of the model's parameters`);
  return set;
}

async function train(model: Model, profile: ActivationProfile) {
  using progress = await startProgress('Training');
  await using corpus = await openCorpus([{ path: demoTrainingText() }]);
  const start = performance.now();
  const set = await model.trainPredictors(corpus, profile, {
    tokens: TOKENS,
    epochs: EPOCHS,
    onProgress: ({ phase, layer, fraction }) =>
      progress.update(fraction, 1, layer === undefined ? phase : `${phase} layer ${layer}`),
  });
  return { set, ms: performance.now() - start };
}

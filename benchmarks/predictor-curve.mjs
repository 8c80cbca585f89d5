// How much of what fires predictors find, against how much they predict, for several sizes and with
// and without training. Held-out text has no part in training; its recall is pooled over layers.
//
//   node benchmarks/predictor-curve.mjs [--tokens 131072] [--shares 0.05,0.1,0.15] [--epochs 4]
//     [--corpus FILE] [--test FILE]
import { parseArgs } from 'node:util';
import { CALIBRATION_COLUMNS, modelParameters, predictorWeights } from '@thermocline/contracts';
import { demoTexts, demoTrainingText } from '@thermocline/demo-model';
import { openEngine, openPredictorMath } from '@thermocline/engine-native';
import { trainPredictors } from '@thermocline/predictor';
import { cutWindows, openCorpus, profileModel } from '@thermocline/profiler';
import { demoModel } from './lib/models.mjs';
import { printTable, writeResults } from './lib/results.mjs';

const OVER_PREDICTIONS = [1.1, 1.2, 1.3, 1.4, 1.6, 2, 3, 4];
const HELD_OUT_TOKENS = 16_384;

const { values } = parseArgs({
  options: {
    tokens: { type: 'string', default: '131072' },
    shares: { type: 'string', default: '0.05,0.1,0.15' },
    epochs: { type: 'string' },
    corpus: { type: 'string', default: demoTrainingText() },
    test: { type: 'string', default: demoTexts()[0]?.path ?? '' },
  },
});
const tokens = Number(values.tokens);

const engine = await openEngine(demoModel.path);
const math = await openPredictorMath();
const corpus = await openCorpus([{ path: values.corpus }]);
const test = await openCorpus([{ path: values.test }]);
const profile = await profileModel(engine, corpus, { tokens: Math.min(tokens, 32_768) });

const runs = [
  ...values.shares.split(',').flatMap((share) => [
    { kind: 'trained', share: Number(share) },
    { kind: 'factorised', share: Number(share) },
  ]),
  { kind: 'signs', share: null },
];
const rows = [];
for (const { kind, share } of runs) {
  const start = performance.now();
  const set = await trainPredictors(engine, profile, {
    math,
    weights: engine,
    kind: /** @type {'trained' | 'factorised' | 'signs'} */ (kind),
    tokens,
    // So little over-prediction is asked for that the whole budget is spent.
    ...(share !== null && { budget: { share }, everyLayer: true, overPrediction: 1 }),
    ...(values.epochs !== undefined && { epochs: Number(values.epochs) }),
    windows: () => cutWindows(engine, corpus, { tokens }),
    heldOutWindows: () => cutWindows(engine, test, { tokens: HELD_OUT_TOKENS }),
  });
  const seconds = (performance.now() - start) / 1000;
  rows.push({ kind, ...figures(set), seconds });
  console.log(`${kind}${share === null ? '' : ` at ${100 * share} %`}: ${seconds.toFixed(0)} s`);
}
printTable(rows);
console.log(`written: ${writeResults('predictor-curve', rows)}`);
await engine.close();
await math.close();

/** @param {import('@thermocline/contracts').PredictorSet} set */
function figures({ model, layers }) {
  const weights = layers.reduce((sum, layer) => sum + predictorWeights(layer), 0);
  const curve = pooledCurve(model, layers);
  return {
    parameter_share: weights / modelParameters(model),
    widths: layers.map((layer) => ('down' in layer ? layer.down.rows : 0)).join(' '),
    ...Object.fromEntries(
      OVER_PREDICTIONS.map((over) => [`recall_at_${over}`, recallAt(curve, over)]),
    ),
  };
}

/**
 * Recall and over-prediction of the whole set at each point of its calibration.
 *
 * @param {import('@thermocline/contracts').ModelInfo} model
 * @param {readonly import('@thermocline/contracts').LayerPredictor[]} layers
 */
function pooledCurve({ n_ff: neurons }, layers) {
  const first = layers.flatMap((layer) => ('calibration' in layer ? [layer.calibration] : []))[0];
  const points = (first?.length ?? 0) / CALIBRATION_COLUMNS;
  return Array.from({ length: points }, (_, point) => {
    let [predicted, firing] = [0, 0];
    for (const [i, layer] of layers.entries()) {
      const count = neurons[i] ?? 0;
      if (!('calibration' in layer) || layer.heldOut?.density === undefined) continue;
      predicted += count * (layer.calibration?.[point * CALIBRATION_COLUMNS + 1] ?? 1);
      firing += count * layer.heldOut.density;
    }
    return { recall: first?.[point * CALIBRATION_COLUMNS] ?? 0, over: predicted / firing };
  });
}

/**
 * Between the two points around it; empty outside what was calibrated.
 *
 * @param {readonly { recall: number; over: number }[]} curve
 * @param {number} over
 */
function recallAt(curve, over) {
  const above = curve.findIndex((point) => point.over >= over);
  const [left, right] = [curve[above - 1], curve[above]];
  if (left === undefined || right === undefined) return '';
  const share = (over - left.over) / (right.over - left.over);
  return left.recall + share * (right.recall - left.recall);
}

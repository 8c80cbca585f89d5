import type { PredictorSet } from '@thermocline/contracts';
import { escapeMarkup } from '../charts/escape.js';
import { percent } from '../charts/lines.js';
import { pageList, pageTable } from '../charts/page.js';
import { originItems } from '../charts/page-origin.js';
import type { PredictorLayer } from '../charts/predictor-charts.js';
import type { PredictorPicture } from '../charts/predictor-page.js';
import { formatCount } from '../format.js';
import { type LayerJson, predictorsJson } from './predictor-json.js';
import { LOSS_HEAD, lossRows } from './predictor-loss.js';
import type { Range } from './predictor-range.js';
import { describeShape } from './report.js';

type SetJson = ReturnType<typeof predictorsJson>;

/** A predictor set as it is drawn. */
export function predictorPicture(set: PredictorSet): PredictorPicture {
  const json = predictorsJson(set);
  return {
    measured: 'on held-out text',
    layers: toLayers(json),
    page: {
      heading: `Predictors of ${describeModel(set.model)}`,
      intro: [escapeMarkup(describeShape(set.model))],
      facts: facts(json),
      sections: [
        ...(json.measured.length > 0
          ? ([['What was lost', pageTable(LOSS_HEAD, lossRows(json))]] as const)
          : []),
        ['Layers', layerTable(json)],
        ['Where it comes from', pageList(originItems(set))],
      ],
    },
  };
}

/** `a llama model, 6 layers of 1,024 neurons` */
function describeModel({ arch, layers, n_ff }: PredictorSet['model']): string {
  const neurons = [...new Set(n_ff)].map(formatCount).join(' or ');
  const article = /^[aeiou]/i.test(arch) ? 'an' : 'a';
  return `${article} ${arch} model, ${layers} layers of ${neurons} neurons`;
}

function toLayers({ layers }: SetJson): PredictorLayer[] {
  const measured = layers.some(({ density }) => density !== null);
  return layers.map((layer) => {
    const drawn = toLayer(layer);
    // Without a predictor all neurons are computed; that stands beside what was measured of others.
    return measured && layer.kind === 'none' ? { ...drawn, predictedSparsity: 0 } : drawn;
  });
}

function toLayer(layer: LayerJson): PredictorLayer {
  const { density, over_prediction: over } = layer;
  return {
    kind: layer.kind,
    rank: layer.rank,
    recallValue: layer.recall_value,
    recallCount: layer.recall_count,
    overPrediction: over,
    trueSparsity: density === null ? null : 1 - density,
    predictedSparsity: density === null || over === null ? null : Math.max(0, 1 - density * over),
    parameters: layer.params_share,
    bytes: null,
    time: null,
  };
}

function facts(json: SetJson): [string, string][] {
  const { made_for: made, calibration, measured_sparsities: sparsities } = json;
  const between = ({ from, to }: Range) => `${percent(from)} – ${percent(to)}`;
  const all: [string | null, string][] = [
    [made?.recall == null ? null : percent(made.recall), 'recall by value, as made'],
    [made?.sparsity == null ? null : percent(made.sparsity), 'of the neurons left out, as made'],
    [sparsities && between(sparsities), 'of the neurons can be left out'],
    [sparsities || !calibration ? null : between(calibration), 'recall by value to choose from'],
    [percent(json.params_share), "of the model's parameters"],
    [formatCount(json.weights), 'weights'],
  ];
  return all.flatMap(([value, what]) => (value === null ? [] : [[value, what]]));
}

function layerTable({ layers }: SetJson): string {
  const share = (value: number | null) => (value === null ? '' : percent(value));
  return pageTable(
    [
      'layer',
      'kind',
      'reads',
      'rank',
      'type',
      'weights',
      'fire',
      'recall by value',
      'by count',
      'over-prediction',
    ],
    layers.map((layer, index) => [
      String(index),
      layer.kind,
      layer.reads ?? '',
      layer.rank === null ? '' : String(layer.rank),
      layer.type ?? '',
      formatCount(layer.weights),
      share(layer.density),
      share(layer.recall_value),
      share(layer.recall_count),
      layer.over_prediction?.toFixed(2) ?? '',
    ]),
  );
}

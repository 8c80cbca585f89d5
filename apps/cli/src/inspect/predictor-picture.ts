import type { PredictorSet } from '@thermocline/contracts';
import { escapeMarkup } from '../charts/escape.js';
import { percent } from '../charts/lines.js';
import { pageList, pageTable } from '../charts/page.js';
import { originItems } from '../charts/page-origin.js';
import type { PredictorLayer } from '../charts/predictor-charts.js';
import type { PredictorPicture } from '../charts/predictor-page.js';
import { formatCount } from '../format.js';
import { type LayerJson, predictorsJson } from './predictor-json.js';
import { describeShape } from './report.js';

type SetJson = ReturnType<typeof predictorsJson>;

/** A predictor set as it is drawn. */
export function predictorPicture(set: PredictorSet): PredictorPicture {
  const json = predictorsJson(set);
  return {
    measured: 'on held-out text',
    layers: json.layers.map(toLayer),
    page: {
      heading: 'Predictor set',
      subject: set.model.arch,
      intro: [escapeMarkup(describeShape(set.model))],
      facts: facts(json),
      sections: [
        ...(json.measured.length > 0 ? ([['What was lost', measuredTable(json)]] as const) : []),
        ['Layers', layerTable(json)],
        ['Where it comes from', pageList(originItems(set))],
      ],
    },
  };
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
  const { calibration } = json;
  return [
    [percent(json.params_share), "of the model's parameters"],
    [formatCount(json.weights), 'weights'],
    ...(calibration
      ? ([
          [
            `${percent(calibration.from)} – ${percent(calibration.to)}`,
            'value recall to choose from',
          ],
        ] as [string, string][])
      : []),
  ];
}

function measuredTable({ measured }: SetJson): string {
  return pageTable(
    ['mode', 'recall', 'sparsity', 'perplexity', 'change', 'dense', 'tokens'],
    measured.map((loss) => [
      loss.mode,
      recallOf(loss),
      loss.sparsity === null ? '' : percent(loss.sparsity),
      loss.perplexity.toFixed(4),
      `${(100 * loss.perplexity_change).toFixed(2)} %`,
      loss.dense_perplexity.toFixed(4),
      formatCount(loss.tokens),
    ]),
  );
}

function recallOf({ recall, sparsity }: SetJson['measured'][number]): string {
  if (recall !== null) return percent(recall);
  return sparsity === null ? 'as made' : '';
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

import type { PredictorSet } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { formatCount, formatShare, plural } from '../format.js';
import { table } from '../table.js';
import { type LayerJson, predictorsJson } from './predictor-json.js';
import { type ReportOptions, shorten } from './report.js';

type SetJson = ReturnType<typeof predictorsJson>;

/** What there is to say of a predictor set, for people. */
export function predictorLines(
  predictors: PredictorSet,
  { all = false }: Partial<ReportOptions> = {},
): string[] {
  const set = predictorsJson(predictors);
  return [
    table([
      ['predictors', kinds(set.layers)],
      [
        'size',
        `${formatBytes(set.bytes)}, ${formatCount(set.weights)} weights: ${formatShare(set.params_share)} of the model's parameters`,
      ],
      ['recall', recallRange(set.calibration)],
    ]),
    '',
    ...measuredLines(set),
    ...shorten(set.layers.map(layerRow), { all }, (rows) =>
      table(rows, {
        head: [
          'layer',
          'kind',
          'reads',
          'rank',
          'type',
          'size',
          'parameters',
          'fire',
          'value recall',
          'recall',
          'over-prediction',
          'reading its own',
        ],
        right: [0, 3, 5, 6, 7, 8, 9, 10, 11],
      }),
    ),
  ];
}

/** How many layers have which kind: `trained in 5 layers, none in 1 layer`. */
function kinds(layers: readonly LayerJson[]): string {
  const count = new Map<string, number>();
  for (const { kind } of layers) count.set(kind, (count.get(kind) ?? 0) + 1);
  return [...count].map(([kind, n]) => `${kind} in ${plural(n, 'layer')}`).join(', ');
}

function recallRange(calibration: SetJson['calibration']): string {
  if (calibration === null)
    return 'fixed: thresholds were not calibrated, --recall cannot move them';
  const { from, to, points } = calibration;
  return `by value, --recall ${formatShare(from)} to ${formatShare(to)} (${plural(points, 'point')})`;
}

function measuredLines({ measured }: SetJson): string[] {
  if (measured.length === 0) return [];
  const rows = measured.map((loss) => [
    loss.mode,
    recallOf(loss),
    loss.sparsity === null ? '' : formatShare(loss.sparsity),
    loss.perplexity.toFixed(4),
    `${loss.perplexity_change < 0 ? '' : '+'}${(100 * loss.perplexity_change).toFixed(2)} %`,
    loss.dense_perplexity.toFixed(4),
    formatCount(loss.tokens),
  ]);
  const head = ['measured', 'recall', 'sparsity', 'perplexity', 'change', 'dense', 'tokens'];
  return [table(rows, { head, right: [1, 2, 3, 4, 5, 6] }), ''];
}

/** The recall that was asked for; a set with neither that nor a sparsity was run as it was made. */
function recallOf({ recall, sparsity }: SetJson['measured'][number]): string {
  if (recall !== null) return formatShare(recall);
  return sparsity === null ? 'as made' : '';
}

function layerRow(layer: LayerJson, index: number): string[] {
  const share = (value: number | null) => (value === null ? '' : formatShare(value));
  return [
    String(index),
    layer.kind,
    layer.reads ?? '',
    layer.rank === null ? '' : String(layer.rank),
    layer.type ?? '',
    formatBytes(layer.bytes),
    formatShare(layer.params_share),
    share(layer.density),
    share(layer.recall_value),
    share(layer.recall_count),
    layer.over_prediction === null ? '' : `${layer.over_prediction.toFixed(2)}×`,
    sameLayer(layer),
  ];
}

/** What a predictor that looks ahead would be if it did not: value recall and over-prediction. */
function sameLayer({ same_layer }: LayerJson): string {
  if (same_layer?.recall_value == null || same_layer.over_prediction === null) return '';
  return `${formatShare(same_layer.recall_value)}, ${same_layer.over_prediction.toFixed(2)}×`;
}

import type { PredictorSet } from '@thermocline/contracts';
import { formatBytes } from '@thermocline/runtime';
import { formatCount, formatShare, plural } from '../format.js';
import { table } from '../table.js';
import { colors } from '../terminal.js';
import { type LayerJson, predictorsJson } from './predictor-json.js';
import { LOSS_HEAD, lossRows } from './predictor-loss.js';
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
      ...rangeRows(set),
    ]),
    '',
    ...measuredLines(set),
    ...layerLines(set, { all }),
  ];
}

const LAYER_HEAD = [
  'layer',
  'kind',
  'reads',
  'rank',
  'type',
  'size',
  'parameters',
  'fire',
  'recall by value',
  'by count',
  'over-prediction',
];

function layerLines({ layers }: SetJson, options: ReportOptions): string[] {
  const ahead = layers.some((layer) => sameLayer(layer) !== '');
  const head = ahead ? [...LAYER_HEAD, 'reading its own layer'] : LAYER_HEAD;
  const rows = layers.map((layer, index) => [
    ...layerRow(layer, index),
    ...(ahead ? [sameLayer(layer)] : []),
  ]);
  return [
    ...shorten(rows, options, (shown) =>
      table(shown, { head, right: [0, 3, 5, 6, 7, 8, 9, 10, 11] }),
    ),
    ...(ahead
      ? [
          colors.dim(
            '  reading its own layer: recall by value and over-prediction, had it not looked ahead',
          ),
        ]
      : []),
  ];
}

/** How many layers have which kind: `trained in 5 layers, none in 1 layer`. */
function kinds(layers: readonly LayerJson[]): string {
  const count = new Map<string, number>();
  for (const { kind } of layers) count.set(kind, (count.get(kind) ?? 0) + 1);
  return [...count].map(([kind, n]) => `${kind} in ${plural(n, 'layer')}`).join(', ');
}

/** What the set was made for, and where else it runs. */
function rangeRows(set: SetJson): string[][] {
  const { made_for: made, measured_sparsities: sparsities } = set;
  const recall = made?.recall ?? null;
  const sparsity = made?.sparsity ?? null;
  const rows: string[][] = [];
  if (recall !== null) rows.push(['made for', `recall by value ${formatShare(recall)}`]);
  if (sparsity !== null) rows.push(['made for', `sparsity ${formatShare(sparsity)}`]);
  if (sparsities !== null) {
    const { from, to, points } = sparsities;
    const moves = `--sparsity ${formatShare(from)} to ${formatShare(to)}`;
    return [...rows, ['runs at', `${moves} (measured at ${plural(points, 'point')})`]];
  }
  return [...rows, ['runs at', recallRange(set)]];
}

function recallRange({ calibration, layers }: SetJson): string {
  if (layers.every(({ kind }) => kind === 'none')) return 'no layer predicts: all is computed';
  if (calibration === null) {
    return 'as made only: thresholds were not calibrated, --recall cannot move them';
  }
  const { from, to, points } = calibration;
  return `--recall ${formatShare(from)} to ${formatShare(to)} (${plural(points, 'point')})`;
}

function measuredLines(set: SetJson): string[] {
  if (set.measured.length === 0) return [];
  const head = ['measured', ...LOSS_HEAD.slice(1)];
  return [table(lossRows(set), { head, right: [1, 2, 3, 4, 5, 6] }), ''];
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
  ];
}

/** What a predictor that looks ahead would be if it did not: recall by value and over-prediction. */
function sameLayer({ same_layer }: LayerJson): string {
  if (same_layer?.recall_value == null || same_layer.over_prediction === null) return '';
  return `${formatShare(same_layer.recall_value)}, ${same_layer.over_prediction.toFixed(2)}×`;
}

import type { Canvas } from './canvas.js';
import type { Chart } from './chart.js';
import { percent } from './lines.js';
import { type DepthSeries, overDepth } from './over-depth.js';
import { widthChart } from './width-chart.js';

/** A layer of a predictor set as pictures need it; `null` is what was not measured. Shares are of 1. */
export interface PredictorLayer {
  kind: string;
  /** Hidden units of a low-rank predictor. */
  rank: number | null;
  recallValue: number | null;
  recallCount: number | null;
  overPrediction: number | null;
  trueSparsity: number | null;
  predictedSparsity: number | null;
  /** Of the parameters of the model, and of the bytes and the time of a token. */
  parameters: number | null;
  bytes: number | null;
  time: number | null;
}

type Figure = Exclude<keyof PredictorLayer, 'kind' | 'rank'>;

/** Where the figures come from, for the captions. */
export interface PredictorCaptions {
  /** Such as `on held-out text`. */
  measured: string;
}

/** Every picture of predictors that there are figures for. */
export function predictorCharts(
  canvas: Canvas,
  layers: readonly PredictorLayer[],
  { measured }: PredictorCaptions,
): Chart[] {
  return [
    ...recallChart(canvas, layers, measured),
    ...overPredictionChart(canvas, layers, measured),
    ...sparsityChart(canvas, layers, measured),
    ...widths(canvas, layers),
    ...sharesChart(canvas, layers),
  ];
}

function recallChart(canvas: Canvas, layers: readonly PredictorLayer[], measured: string): Chart[] {
  const lines = present([
    inPercent(layers, 'recallValue', 'by value', 'of the value'),
    inPercent(layers, 'recallCount', 'by count', 'of the firing neurons'),
  ]);
  if (lines.length === 0) return [];
  const least = Math.min(
    ...lines.flatMap(({ values }) => values.filter((value) => value !== null)),
  );
  const domain: [number, number] = [Math.max(0, Math.min(90, 5 * Math.floor(least / 5))), 100];
  return [
    {
      title: 'Recall over depth',
      svg: overDepth(canvas, { label: 'recall (%)', domain }, lines),
      caption: `Share of what fires that was predicted, ${measured}: each neuron counted once, and weighted by |h|·‖down column‖.`,
    },
  ];
}

function overPredictionChart(
  canvas: Canvas,
  layers: readonly PredictorLayer[],
  measured: string,
): Chart[] {
  const lines = present([
    {
      name: 'predicted ÷ firing',
      values: layers.map(({ overPrediction }) => overPrediction),
      describe: (value) => `${value.toFixed(2)} neurons predicted for each that fires`,
    },
  ]);
  if (lines.length === 0) return [];
  const most = Math.max(...lines.flatMap(({ values }) => values.filter((value) => value !== null)));
  return [
    {
      title: 'Over-prediction over depth',
      svg: overDepth(
        canvas,
        { label: 'predicted ÷ firing', domain: [0, Math.max(2, most)], mark: 1 },
        lines,
      ),
      caption: `Neurons predicted for each one that fires, ${measured}. At 1 as many are computed as fire.`,
    },
  ];
}

function sparsityChart(
  canvas: Canvas,
  layers: readonly PredictorLayer[],
  measured: string,
): Chart[] {
  const lines = present([
    inPercent(layers, 'predictedSparsity', 'not computed', 'of the neurons are not computed'),
    inPercent(layers, 'trueSparsity', 'do not fire', 'of the neurons do not fire'),
  ]);
  if (lines.length === 0) return [];
  const predicts = layers.some(({ overPrediction }) => overPrediction !== null);
  const vain = predicts ? ' What is computed and does not fire was predicted in vain.' : '';
  return [
    {
      title: 'Sparsity over depth',
      svg: overDepth(canvas, { label: 'share of neurons (%)', domain: [0, 100] }, lines),
      caption: `Share of the neurons that do not fire on a token, and share that is not computed, ${measured}.${vain}`,
    },
  ];
}

function widths(canvas: Canvas, layers: readonly PredictorLayer[]): Chart[] {
  if (layers.every(({ rank }) => rank === null)) return [];
  return [
    {
      title: 'Width over depth',
      svg: widthChart(canvas, layers),
      caption:
        'Hidden units of the low-rank predictors. A layer without a bar has another kind, named above its number.',
    },
  ];
}

function sharesChart(canvas: Canvas, layers: readonly PredictorLayer[]): Chart[] {
  const lines = present([
    inPercent(layers, 'parameters', 'parameters', 'of the parameters of the model'),
    inPercent(layers, 'bytes', 'bytes read', 'of the bytes read for a token'),
    inPercent(layers, 'time', 'time', 'of the time of a token'),
  ]);
  const shares = lines.flatMap(({ values }) => values.filter((value) => value !== null));
  const most = Math.max(...shares);
  if (!(most > 0)) return [];
  return [
    {
      title: 'What predictors take, over depth',
      svg: overDepth(canvas, { label: 'share of the whole model (%)', domain: [0, most] }, lines),
      caption:
        "Shares of each layer's predictor; the layers add up to the share of all predictors.",
    },
  ];
}

function inPercent(
  layers: readonly PredictorLayer[],
  figure: Figure,
  name: string,
  of: string,
): DepthSeries {
  return {
    name,
    values: layers.map((layer) => (layer[figure] === null ? null : 100 * layer[figure])),
    describe: (value) => `${percent(value / 100)} ${of}`,
  };
}

function present(series: DepthSeries[]): DepthSeries[] {
  return series.filter(({ values }) => values.some((value) => value !== null));
}

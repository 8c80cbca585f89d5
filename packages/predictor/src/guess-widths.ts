import { BLOCK_COLUMNS } from '@thermocline/contracts';
import type { LayerStatistics } from './layer-statistics.js';
import { budgetSize, costOf } from './measure-candidates.js';
import { bytesWithout, neuronBytes } from './token-bytes.js';
import type { WidthChoice } from './train-options.js';
import type { TrainRun } from './train-run.js';

/** The last layer is taken to need so many times the width of the first, all else being equal. */
const DEPTH_GROWTH = 2;
/** Over-prediction that is counted with where none was measured. */
const ASSUMED_OVER_PREDICTION = 1.4;

/**
 * Widths for a model whose weights are not shown, by the rule of PowerInfer §5.1: denser layers
 * get more, those whose firings concentrate on few neurons less, later layers more. What is left
 * out saves nothing, by the bytes a token reads.
 */
export function guessWidths(run: TrainRun, layers: readonly number[]): WidthChoice[] {
  const { model, statistics } = run;
  const needs = layers.map((layer) => {
    const { density, gini } = statistics[layer] as LayerStatistics;
    const depth = model.layers > 1 ? layer / (model.layers - 1) : 0;
    return Math.sqrt(density) * (1 - gini / 2) * DEPTH_GROWTH ** depth;
  });
  const costOfAll = layers.reduce(
    (sum, layer, i) => sum + (needs[i] as number) * costOf(run, layer, 1).size,
    0,
  );
  return layers.map((layer, i) => {
    const blocks = ((needs[i] as number) * budgetSize(run)) / costOfAll / BLOCK_COLUMNS;
    const most = Math.floor(model.d_model / BLOCK_COLUMNS);
    const rank = BLOCK_COLUMNS * Math.max(1, Math.min(Math.floor(blocks), most));
    return payingWidth(run, layer, rank);
  });
}

function payingWidth(run: TrainRun, layer: number, rank: number): WidthChoice {
  const { model, statistics, options } = run;
  const { density, gini } = statistics[layer] as LayerStatistics;
  const neurons = model.n_ff[layer] as number;
  const firing = density * neurons;
  const without = bytesWithout(model, neurons, firing);
  const row = neuronBytes(model);
  const read = firing * (ASSUMED_OVER_PREDICTION * row.predicted + row.firing);
  const bytes = costOf(run, layer, rank).bytes + Math.min(read, without);
  const figures = { bytesPerToken: bytes, bytesWithout: without };
  if (bytes >= without && options.everyLayer !== true) {
    const reason = 'a predictor would read more than it saves';
    return { layer, kind: 'none', reason, ...figures, bytesPerToken: without };
  }
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  const reason = `${percent(density)} of the neurons fire, with a Gini coefficient of ${gini.toFixed(2)}, in layer ${layer} of ${model.layers}`;
  return { layer, kind: run.kind, rank, reason, ...figures };
}

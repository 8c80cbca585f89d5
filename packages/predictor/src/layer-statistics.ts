import type { LayerActivations } from '@thermocline/contracts';

/** What a profile says of one layer. */
export interface LayerStatistics {
  /** Share of the neurons that fire. */
  density: number;
  /** How unevenly the firings are spread: 0 for evenly, 1 for one neuron. */
  gini: number;
  /** Σ |h|·‖down column‖ per token; Σ |h| where the profile lacks it. */
  valuePerToken: number;
}

/** Summarizes a layer; see PowerInfer §5.1 for what density and skew have to do with widths. */
export function layerStatistics(layer: LayerActivations): LayerStatistics {
  const { fires, tokens } = layer;
  const sorted = Float64Array.from(fires, Number).sort();
  const total = sorted.reduce((sum, count) => sum + count, 0);
  const weighted = sorted.reduce((sum, count, i) => sum + (i + 1) * count, 0);
  const n = sorted.length;
  const values = layer.contribution ?? layer.absSum;
  return {
    density: tokens > 0 ? total / (n * tokens) : 0,
    gini: total > 0 ? (2 * weighted) / (n * total) - (n + 1) / n : 0,
    valuePerToken: tokens > 0 && values ? values.reduce((sum, v) => sum + v, 0) / tokens : 0,
  };
}

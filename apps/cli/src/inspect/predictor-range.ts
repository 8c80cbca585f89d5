import {
  CALIBRATION_COLUMNS,
  hasExactZeros,
  type LayerPredictor,
  type PredictorSet,
} from '@thermocline/contracts';
import type { OperatingPoint } from '@thermocline/runtime';

/** Where the thresholds of a set can be moved. */
export interface Range {
  from: number;
  to: number;
  points: number;
}

/** Between which value recalls a set was calibrated; `null` where it was not. */
export function calibratedRange({ layers }: PredictorSet): Range | null {
  const [calibration] = calibrations(layers);
  return calibration === undefined ? null : range(column(calibration, 0));
}

/**
 * Between which sparsities the cost of a set was measured, for a model whose activation has no
 * exact zeros: it runs there and nowhere else. `null` for others, and where nothing was measured.
 */
export function measuredSparsities({ model, measured = [] }: PredictorSet): Range | null {
  if (hasExactZeros(model)) return null;
  return range(measured.flatMap(({ sparsity }) => (sparsity === undefined ? [] : [sparsity])));
}

/**
 * What a set was made for: as its maker noted it, else the one recall at which no threshold is
 * moved. `null` where nothing was calibrated.
 */
export function madeFor({ layers, madeBy }: PredictorSet): OperatingPoint | null {
  const all = calibrations(layers);
  if (all.length === 0) return null;
  const { recall, sparsity } = madeBy?.options ?? {};
  if (isShare(sparsity)) return { sparsity };
  if (isShare(recall)) return { recall };
  const recalls = column(all[0] as Float32Array, 0);
  const unmoved = recalls.filter((_, row) => all.every((rows) => column(rows, 2)[row] === 0));
  // Kept as float32: 0.985 would read 0.9850000143.
  return unmoved.length === 1 ? { recall: Number(unmoved[0]?.toPrecision(6)) } : null;
}

function calibrations(layers: readonly LayerPredictor[]): Float32Array[] {
  return layers.flatMap((layer) =>
    layer.kind !== 'none' && layer.calibration ? [layer.calibration] : [],
  );
}

function column(calibration: Float32Array, index: number): number[] {
  return [...calibration.filter((_, i) => i % CALIBRATION_COLUMNS === index)];
}

function range(values: readonly number[]): Range | null {
  if (values.length === 0) return null;
  return { from: Math.min(...values), to: Math.max(...values), points: values.length };
}

function isShare(value: unknown): value is number {
  return typeof value === 'number' && value >= 0 && value <= 1;
}

import { CALIBRATION_COLUMNS, hasExactZeros, type PredictorSet } from '@thermocline/contracts';
import type { OperatingPoint } from '@thermocline/runtime';

const RECALLS = [0.9, 0.95, 0.97, 0.98, 0.99];
const SPARSITIES = [0.25, 0.4, 0.5, 0.6];

/**
 * Where else the loss of a set is worth measuring: so many points that a person sees the curve,
 * and `--mode auto` has something to choose from.
 */
export function pointsToMeasure(set: PredictorSet): OperatingPoint[] {
  if (!hasExactZeros(set.model)) return SPARSITIES.map((sparsity) => ({ sparsity }));
  const recalls = calibratedRecalls(set);
  const [least = 1, most = 0] = [recalls[0], recalls.at(-1)];
  return RECALLS.filter((recall) => recall >= least && recall <= most).map((recall) => ({
    recall,
  }));
}

/** The recalls of the whole set that its thresholds were calibrated for, ascending. */
function calibratedRecalls({ layers }: PredictorSet): number[] {
  for (const layer of layers) {
    if (layer.kind === 'none' || layer.calibration === undefined) continue;
    return [...layer.calibration.filter((_, index) => index % CALIBRATION_COLUMNS === 0)];
  }
  return [];
}

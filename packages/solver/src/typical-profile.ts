import type { ModelInfo } from '@thermocline/contracts';
import {
  firingUpTo,
  fitRateCurve,
  type RateCurve,
  search,
  shareForCoverage,
} from './rate-curve.js';
import { routedShare, type TypicalFamily, typicalFamily } from './typical-families.js';

/** Layers are told apart by depth in so many steps. */
const DEPTHS = 12;
/** However deep, no layer fires for more of its neurons than this. */
const MOST_FIRING = 0.95;
/** Halvings of the search for how much more deep layers fire. */
const GROWTH_STEPS = 14;

/**
 * Firing rates as they are typical of a model's family, in place of a profile: power laws that have
 * the family's mean rate and skew, deeper layers firing more often where the whole model is known to
 * be more skewed than its layers.
 *
 * @returns sums of the rates of the first k neurons, hottest first. [layers][n_ff + 1]
 */
export function typicalFiring(model: ModelInfo): Float64Array[] {
  const depths = model.n_ff.map((_, layer) => Math.floor((layer * DEPTHS) / model.layers));
  const curves = depthCurves(typicalFamily(model), routedShare(model), depths);
  const made = new Map<string, Float64Array>();
  return model.n_ff.map((neurons, layer) => {
    const depth = depths[layer] as number;
    const key = `${depth} ${neurons}`;
    const firing = made.get(key) ?? firingOf(curves[depth] as RateCurve, neurons);
    made.set(key, firing);
    return firing;
  });
}

function depthCurves(
  { firing, layerShare, modelShare }: TypicalFamily,
  routed: number,
  depths: readonly number[],
): RateCurve[] {
  const curves = (growth: number) =>
    depthWeights(growth, depths).map((weight) =>
      fitRateCurve(Math.min(MOST_FIRING, firing * routed * weight), layerShare),
    );
  if (modelShare === undefined) return curves(0);
  const growth = search(
    0,
    12,
    (value) => shareForCoverage(curves(value)) > modelShare,
    GROWTH_STEPS,
  );
  return curves(growth);
}

/** e^(growth · depth), with mean 1 over the layers. [DEPTHS] */
function depthWeights(growth: number, depths: readonly number[]): number[] {
  const weight = (depth: number) => Math.exp((growth * depth) / DEPTHS);
  const mean = depths.reduce((sum, depth) => sum + weight(depth), 0) / depths.length;
  return Array.from({ length: DEPTHS }, (_, depth) => weight(depth) / mean);
}

function firingOf(curve: RateCurve, neurons: number): Float64Array {
  return Float64Array.from(
    { length: neurons + 1 },
    (_, k) => neurons * firingUpTo(curve, k / neurons),
  );
}

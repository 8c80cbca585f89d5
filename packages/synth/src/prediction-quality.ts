import { normalDensity, normalTail } from './normal.js';

/** What a predictor finds that sees a part of what decides. */
export interface PredictionQuality {
  /** Σ predicted ÷ Σ firing */
  overPrediction: number;
  recallCount: number;
  /** The same with each firing weighted by its activation. */
  recallValue: number;
  /** Predicted ÷ all. */
  share: number;
}

const STEPS = 160;

/**
 * Of neurons that fire where a + b > t, when those are predicted of which a > t − margin. a and b
 * are normal and independent; a has the share `seen` of the variance, which is 1 in all.
 *
 * @param thresholds - t of each neuron, or of a sample of them
 * @param alsoNeeded - probability of what a firing needs besides, and the predictor does not see
 * @param power - activation as a power of the excess a + b − t: 1 for ReLU, 2 for its square
 */
export function predictionQuality(
  thresholds: Float64Array,
  seen: number,
  margin: number,
  { alsoNeeded = 1, power = 1 }: { alsoNeeded?: number; power?: 1 | 2 } = {},
): PredictionQuality {
  const [a, b] = [Math.sqrt(seen), Math.sqrt(1 - seen)];
  let [predicted, firing, hits, value, valueHits] = [0, 0, 0, 0, 0];
  for (const t of thresholds) {
    predicted += normalTail((t - margin) / a);
    firing += normalTail(t);
    value += excess(-t, 1, power);
    // Over what is seen above the threshold; beyond 9 deviations nothing is left.
    const from = Math.max(-9, (t - margin) / a);
    const step = (Math.max(from, 0) + 9 - from) / STEPS;
    for (let i = 0; i <= STEPS; i++) {
      const u = from + i * step;
      const weight =
        (i === 0 || i === STEPS ? 1 : i % 2 === 1 ? 4 : 2) * (step / 3) * normalDensity(u);
      hits += weight * normalTail((t - a * u) / b);
      valueHits += weight * excess(a * u - t, b, power);
    }
  }
  return {
    overPrediction: predicted / (firing * alsoNeeded),
    recallCount: Math.min(1, hits / firing),
    recallValue: Math.min(1, valueHits / value),
    share: predicted / thresholds.length,
  };
}

/** The margin at which so many are predicted for each that fires. */
export function marginFor(
  overPrediction: number,
  thresholds: Float64Array,
  seen: number,
  alsoNeeded: number,
): number {
  const a = Math.sqrt(seen);
  const firing = thresholds.reduce((sum, t) => sum + normalTail(t), 0) * alsoNeeded;
  const ratio = (margin: number) =>
    thresholds.reduce((sum, t) => sum + normalTail((t - margin) / a), 0) / firing;
  let [low, high] = [-4, 8];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (ratio(middle) < overPrediction) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/** E[max(0, mean + deviation · N)^power] */
function excess(mean: number, deviation: number, power: 1 | 2): number {
  const x = mean / deviation;
  const [density, above] = [normalDensity(x), normalTail(-x)];
  if (power === 1) return deviation * (density + x * above);
  return deviation ** 2 * ((x * x + 1) * above + x * density);
}

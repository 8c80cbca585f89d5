import { median, quantileSorted, sampleWithReplacement } from 'simple-statistics';
import { seededRandom } from './tokens.js';

const RESAMPLES = 4000;
// With fewer values on a side, their spread says next to nothing.
export const LEAST_VALUES = 3;

/** How a figure changed between two sets of measurements, and how well that is known. */
export interface Ratio {
  /** Median after over median before. */
  ratio: number;
  /** Where it lies with the given confidence; `null` for too few values. */
  interval: [low: number, high: number] | null;
}

/**
 * The ratio of two medians, with its percentile bootstrap interval (Efron and Tibshirani, 1993):
 * both sides are drawn anew with replacement, 4,000 times. The draws are seeded, so that the same
 * values always give the same interval.
 *
 * @example
 * ratioInterval([10, 10.2, 9.9], [9, 9.1, 8.9]); // { ratio: 0.9, interval: [0.87, 0.92] }
 */
export function ratioInterval(
  before: readonly number[],
  after: readonly number[],
  confidence = 0.95,
): Ratio {
  const [from, to] = [[...before], [...after]];
  const ratio = median(to) / median(from);
  if (Math.min(from.length, to.length) < LEAST_VALUES) return { ratio, interval: null };
  const random = seededRandom(1);
  const draw = (values: number[]) => median(sampleWithReplacement(values, values.length, random));
  const ratios = Array.from({ length: RESAMPLES }, () => draw(to) / draw(from));
  ratios.sort((a, b) => a - b);
  const tail = (1 - confidence) / 2;
  return {
    ratio,
    interval: [quantileSorted(ratios, tail), quantileSorted(ratios, 1 - tail)],
  };
}

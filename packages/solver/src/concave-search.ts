/** A point of a concave function: a value and a supergradient there. */
export interface ConcavePoint {
  value: number;
  slope: number;
}

/**
 * What a search ends with. At a kink no single point has slope 0, but the mixture
 * share · left + (1 − share) · right has.
 */
export interface ConcaveMaximum<P> {
  left: P;
  right: P;
  share: number;
  /** Where the maximum is, as far as known. */
  at: number;
}

const MAX_STEPS = 80;
/** A guess is no smaller, as a part of the limit: it has to grow by factors. */
const LEAST_GUESS = 1e-15;

/**
 * Maximises a concave function on an interval. The tangents at both ends bound the maximum from
 * above: the search ends when that bound is within `tolerance` (relative) of the best value seen.
 * It steps in turn to where the tangents meet (exact at a kink) and where the slopes' chord is 0
 * (fast where smooth), and halves the interval when neither makes it shrink.
 */
export function maximiseConcave<P extends ConcavePoint>(
  evaluate: (x: number) => P,
  low: number,
  high: number,
  tolerance: number,
  [left, right]: [P, P] = [evaluate(low), evaluate(high)],
): ConcaveMaximum<P> {
  if (left.slope <= 0) return { left, right: left, share: 1, at: low };
  if (right.slope >= 0) return { left: right, right, share: 1, at: high };
  let lastWidth = high - low;
  for (let step = 0; step < MAX_STEPS; step++) {
    const width = high - low;
    const drop = left.slope - right.slope;
    const meet = (right.value - left.value + left.slope * low - right.slope * high) / drop;
    const best = Math.max(left.value, right.value);
    const model = left.value + left.slope * (meet - low);
    if (!(model - best > tolerance * Math.abs(best)) || width <= 1e-15 * high) break;
    let x = step % 2 === 0 ? meet : low + (width * left.slope) / drop;
    if (step % 3 === 2) {
      if (width > lastWidth / 4)
        x = low > 0 && high > 4 * low ? Math.sqrt(low * high) : (low + high) / 2;
      lastWidth = width;
    }
    if (!(x > low && x < high)) x = (low + high) / 2;
    if (!(x > low && x < high)) break;
    const point = evaluate(x);
    if (point.slope === 0) return { left: point, right: point, share: 1, at: x };
    if (point.slope > 0) [low, left] = [x, point];
    else [high, right] = [x, point];
  }
  const share = -right.slope / (left.slope - right.slope);
  return { left, right, share, at: share * low + (1 - share) * high };
}

/**
 * Maximises a concave function over x ≥ 0. The search grows an interval around `guess`. A function
 * that still rises at `limit` ends there: then slope > 0.
 */
export function maximiseOnHalfLine<P extends ConcavePoint>(
  evaluate: (x: number) => P,
  guess: number,
  limit: number,
  tolerance: number,
): ConcaveMaximum<P> {
  let low = 0;
  let left = evaluate(0);
  if (left.slope <= 0) return { left, right: left, share: 1, at: 0 };
  let high = Math.min(Math.max(guess, LEAST_GUESS * limit), limit);
  let right = evaluate(high);
  if (right.slope < 0) {
    // The guess is often just above: look a little below it.
    const near = high / 1.5;
    const point = evaluate(near);
    if (point.slope > 0) [low, left] = [near, point];
    else [high, right] = [near, point];
  }
  for (let factor = 1.5; right.slope > 0 && high < limit; factor *= 2) {
    [low, left] = [high, right];
    high = Math.min(high * factor, limit);
    right = evaluate(high);
  }
  return maximiseConcave(evaluate, low, high, tolerance, [left, right]);
}

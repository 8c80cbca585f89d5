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

/** When to stop: a maximum this near, as a part of its value or of `scale` if that is larger. */
export interface Nearness {
  tolerance: number;
  scale?: number;
}

const MAX_STEPS = 60;

/**
 * Maximises a concave function on an interval. The tangents at both ends bound the maximum from
 * above: the search ends when that bound is near the best value seen. It steps in turn to where the
 * tangents meet (exact at a kink) and where the slopes' chord is 0 (fast where smooth), and halves
 * the interval when neither makes it shrink.
 */
export function maximiseConcave<P extends ConcavePoint>(
  evaluate: (x: number) => P,
  low: number,
  high: number,
  { tolerance, scale = 0 }: Nearness,
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
    const near = tolerance * Math.max(Math.abs(best), scale);
    if (!(model - best > near) || width <= 1e-15 * high) break;
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
  const drop = left.slope - right.slope;
  const meet = (right.value - left.value + left.slope * low - right.slope * high) / drop;
  const at = meet >= low && meet <= high ? meet : left.value > right.value ? low : high;
  return { left, right, share: -right.slope / drop, at };
}

/** Where a search on x ≥ 0 begins. */
export interface SearchStart {
  /** Where the maximum may be; 0 if that is as likely as anything. */
  guess: number;
  /** A first step away from 0; more than 0. */
  step: number;
  /** A function that still rises here ends here: then slope > 0. */
  limit: number;
}

/** How far from a guess the maximum is sought first, as a factor; each time its square. */
const FIRST_REACH = 1.05;

/** Maximises a concave function over x ≥ 0: an interval around the guess grows until it is inside. */
export function maximiseOnHalfLine<P extends ConcavePoint>(
  evaluate: (x: number) => P,
  { guess, step, limit }: SearchStart,
  nearness: Nearness,
): ConcaveMaximum<P> {
  let low = guess > limit * 1e-15 ? Math.min(guess, limit) : 0;
  let left = evaluate(low);
  let [high, right] = [low, left];
  for (let reach = FIRST_REACH; left.slope <= 0 && low > 0; reach *= reach) {
    [high, right] = [low, left];
    low = reach < 100 ? low / reach : 0;
    left = evaluate(low);
  }
  if (left.slope <= 0) return { left, right: left, share: 1, at: 0 };
  for (let reach = FIRST_REACH; right.slope > 0 && high < limit; reach *= reach) {
    [low, left] = [high, right];
    high = high > 0 ? Math.min(high * reach, limit) : Math.min(step, limit);
    right = evaluate(high);
  }
  return maximiseConcave(evaluate, low, high, nearness, [left, right]);
}

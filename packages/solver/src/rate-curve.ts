/** Halvings of a search: enough for all digits that matter. */
const STEPS = 40;
/** Share of the firings by which skew is told, as in PowerInfer's Figure 4. */
const COVERAGE = 0.8;

/**
 * Firing rates of neurons by rank x in (0, 1], hottest first: min(1, c · x^−a), a power law that
 * stops at firing always.
 */
export interface RateCurve {
  a: number;
  c: number;
}

/** Mean firing rate of the neurons before rank x: the sum over them is this times their number. */
export function firingUpTo({ a, c }: RateCurve, x: number): number {
  // Ranks before `cap` fire always.
  const cap = c >= 1 ? Math.min(1, c ** (1 / a)) : a === 0 ? 0 : c ** (1 / a);
  if (x <= cap) return x;
  const rest =
    Math.abs(1 - a) < 1e-9 ? Math.log(x / cap) : (x ** (1 - a) - cap ** (1 - a)) / (1 - a);
  return cap + c * rest;
}

/** The ranks whose rate is at least `rate`. */
export function rankOfRate({ a, c }: RateCurve, rate: number): number {
  if (rate > 1) return 0;
  return Math.min(1, (c / rate) ** (1 / a));
}

/**
 * The curve with a given mean rate, whose hottest `share` of neurons make 80 % of the firings.
 * Where always firing does not suffice for that, the steepest there is.
 */
export function fitRateCurve(mean: number, share: number): RateCurve {
  const curve = (a: number): RateCurve => ({
    a,
    c: Math.exp(search(-40, 0, (c) => firingUpTo({ a, c: Math.exp(c) }, 1) < mean)),
  });
  const steepness = search(1e-3, 4, (a) => firingUpTo(curve(a), share) < COVERAGE * mean);
  return curve(steepness);
}

/** Share of all neurons that make 80 % of the firings, over layers of equal size. */
export function shareForCoverage(curves: readonly RateCurve[]): number {
  const total = COVERAGE * meanOf(curves, (curve) => firingUpTo(curve, 1));
  const ranks = (rate: number) => curves.map((curve) => rankOfRate(curve, rate));
  // From rate 1 down, until those above it make enough.
  const fall = search(0, 40, (depth) => {
    const at = ranks(Math.exp(-depth));
    return meanOf(curves, (curve, layer) => firingUpTo(curve, at[layer] as number)) < total;
  });
  const at = ranks(Math.exp(-fall));
  return at.reduce((sum, rank) => sum + rank, 0) / curves.length;
}

/** Where `isLow` turns from true to false. */
export function search(
  low: number,
  high: number,
  isLow: (value: number) => boolean,
  steps = STEPS,
): number {
  for (let step = 0; step < steps; step++) {
    const middle = (low + high) / 2;
    if (isLow(middle)) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

function meanOf(
  curves: readonly RateCurve[],
  value: (curve: RateCurve, layer: number) => number,
): number {
  return curves.reduce((sum, curve, layer) => sum + value(curve, layer), 0) / curves.length;
}

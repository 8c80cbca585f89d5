import { type ConcaveMaximum, type ConcavePoint, maximiseConcave } from './concave-search.js';
import { type FiringCurve, pointAbove } from './firing-curve.js';

/** Numbers by tier, in the order of `TIERS`: gpu, cpu, flash. */
export type ByTier = [number, number, number];

/** A tier's seconds for k neurons that fire S times per token: k · perNeuron + S · perFiring. */
export interface TierLine {
  perNeuron: number;
  perFiring: number;
}

/** Neurons of a layer shared out among the tiers, fractions allowed. */
export interface Split extends ConcavePoint {
  counts: ByTier;
  seconds: ByTier;
}

const TOLERANCE = 1e-8;

/**
 * A lower bound, the highest there is, of z + Σ_t price_t · k_t over all ways to share the neurons
 * of a layer out among `tiers`, where z is the time of the slowest tier and k_t the neurons on tier t.
 *
 * For any weights w ≥ 0 that add up to 1, z ≥ Σ_t w_t · T_t. So
 *
 *     ψ(w) = Σ_i min_t (price_t + w_t · perNeuron_t + w_t · perFiring_t · v_i)
 *
 * is a bound for every assignment, whole neurons or parts of them, in any order: each neuron takes
 * its cheapest tier. That it is found by a search over w makes it less tight at worst, never wrong.
 * In ψ a tier costs a straight line in the firing rate v; the least of three lines is concave, so each
 * tier takes a run of the sorted neurons: two binary searches find the runs, and the curve holds
 * their sums. ψ is concave in w, with ∂ψ/∂w_t = T_t, and its maximum is the minimum over all splits.
 */
export function relaxNeurons(
  curve: FiringCurve,
  lines: readonly (TierLine | null)[],
  prices: ByTier,
  tiers: readonly number[],
): Split {
  const [first, second, third] = tiers as [number, number?, number?];
  const share = (weights: ByTier) => cheapestSplit(curve, lines, prices, weights, tiers);
  if (second === undefined) {
    const weights: ByTier = [0, 0, 0];
    weights[first] = 1;
    return share(weights);
  }
  if (third === undefined) return twoTiers(share, first, second, 1);
  const maximum = maximiseConcave(
    (weight) => {
      const fixed: ByTier = [0, 0, 0];
      fixed[third] = weight;
      const split = twoTiers(share, first, second, 1 - weight, fixed);
      const { seconds } = split;
      const others = Math.max(seconds[first] as number, seconds[second] as number);
      split.slope = (seconds[third] as number) - others;
      return split;
    },
    0,
    1,
    { tolerance: 3 * TOLERANCE },
  );
  return mixSplits(maximum);
}

/** Two tiers share the weight `total`; the others keep theirs. */
function twoTiers(
  share: (weights: ByTier) => Split,
  first: number,
  second: number,
  total: number,
  weights: ByTier = [0, 0, 0],
): Split {
  const maximum = maximiseConcave(
    (part) => {
      weights[first] = part * total;
      weights[second] = (1 - part) * total;
      const split = share(weights);
      split.slope = ((split.seconds[first] as number) - (split.seconds[second] as number)) * total;
      return split;
    },
    0,
    1,
    { tolerance: TOLERANCE },
  );
  return mixSplits(maximum);
}

/** A mixture of two best splits: whole runs of equal neurons may have to be cut. */
function mixSplits({ left, right, share }: ConcaveMaximum<Split>): Split {
  if (left === right) return left;
  const mix = (a: ByTier, b: ByTier): ByTier => [
    share * a[0] + (1 - share) * b[0],
    share * a[1] + (1 - share) * b[1],
    share * a[2] + (1 - share) * b[2],
  ];
  return {
    value: Math.max(left.value, right.value),
    slope: 0,
    counts: mix(left.counts, right.counts),
    seconds: mix(left.seconds, right.seconds),
  };
}

// Lines on the lower envelope, by rising slope, and above which rate each gives way to the one before.
const hull = [0, 0, 0];
const from = new Float64Array(3);
// The lines themselves by tier, and the tiers by rising slope. This is the innermost loop of the
// solver: what it works on is kept between calls.
const base = new Float64Array(3);
const slope = new Float64Array(3);
const sorted = [0, 0, 0];

function cheapestSplit(
  curve: FiringCurve,
  lines: readonly (TierLine | null)[],
  prices: ByTier,
  weights: ByTier,
  tiers: readonly number[],
): Split {
  for (const tier of tiers) {
    const { perNeuron, perFiring } = lines[tier] as TierLine;
    const weight = weights[tier] as number;
    base[tier] = (prices[tier] as number) + weight * perNeuron;
    slope[tier] = weight * perFiring;
  }
  const size = lowerEnvelope(tiers);
  const counts: ByTier = [0, 0, 0];
  const seconds: ByTier = [0, 0, 0];
  let value = 0;
  let begin = 0;
  let neuronsBefore = 0;
  for (let i = 0; i < size; i++) {
    const end = i + 1 < size ? pointAbove(curve, from[i + 1] as number) : curve.firing.length - 1;
    if (end <= begin) continue;
    const neuronsAt = curve.positions === null ? end : (curve.positions[end] as number);
    const neurons = neuronsAt - neuronsBefore;
    const firings = (curve.firing[end] as number) - (curve.firing[begin] as number);
    const tier = hull[i] as number;
    const { perNeuron, perFiring } = lines[tier] as TierLine;
    counts[tier] = neurons;
    seconds[tier] = neurons * perNeuron + firings * perFiring;
    value += neurons * (base[tier] as number) + firings * (slope[tier] as number);
    begin = end;
    neuronsBefore = neuronsAt;
  }
  return { value, slope: 0, counts, seconds };
}

/** Fills `hull` and `from`; gives how many lines are on the envelope. */
function lowerEnvelope(tiers: readonly number[]): number {
  sortBySlope(tiers);
  let size = 0;
  for (let i = 0; i < tiers.length; i++) {
    const line = sorted[i] as number;
    let start = Number.POSITIVE_INFINITY;
    let covered = false;
    while (size > 0) {
      const top = hull[size - 1] as number;
      const rise = (slope[line] as number) - (slope[top] as number);
      const gain = (base[top] as number) - (base[line] as number);
      if (rise === 0 && gain <= 0) {
        covered = true;
        break;
      }
      start = rise === 0 ? Number.POSITIVE_INFINITY : gain / rise;
      if (start < (from[size - 1] as number)) break;
      size--;
    }
    if (covered) continue;
    if (size === 0) start = Number.POSITIVE_INFINITY;
    hull[size] = line;
    from[size] = start;
    size++;
  }
  return size;
}

function sortBySlope(tiers: readonly number[]): void {
  for (let i = 0; i < tiers.length; i++) {
    const tier = tiers[i] as number;
    let at = i;
    for (; at > 0; at--) {
      const before = sorted[at - 1] as number;
      if ((slope[before] as number) <= (slope[tier] as number)) break;
      sorted[at] = before;
    }
    sorted[at] = tier;
  }
}

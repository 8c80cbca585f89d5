import { TIERS } from '@thermocline/contracts';
import { type ConcaveMaximum, type ConcavePoint, maximiseOnHalfLine } from './concave-search.js';
import { denseSeconds } from './evaluate-choice.js';
import type { FiringCurve } from './firing-curve.js';
import type { DensePart, DenseTier, LayerProblem, PlacementProblem } from './problem.js';
import { type ByTier, relaxNeurons, type Split } from './relax-neurons.js';
import { scarceTiers } from './scarce-tiers.js';

/** What is decided as a whole in a layer: the dense part's tier, and whether the GPU takes part. */
export const DECISIONS = [
  { dense: 'gpu', neurons: 'gpu' },
  { dense: 'gpu', neurons: 'shared' },
  { dense: 'cpu', neurons: 'elsewhere' },
  { dense: 'cpu', neurons: 'shared' },
] as const;

/** One way to decide a layer at given prices: time + price of its bytes, and those bytes. */
export interface PricedDecision {
  decision: number;
  cost: number;
  /** Neurons by tier. */
  counts: ByTier;
  bytes: ByTier;
}

/** The Lagrange function at one set of prices; a mixture of two where they meet in a kink. */
export interface DualPoint extends ConcavePoint {
  prices: ByTier;
  /** ∂value/∂price: bytes used − budget. */
  slopes: ByTier;
  /** Neurons by tier. [layers] */
  counts: ByTier[];
  /** Layers whose dense part is on the GPU, … */
  denseOnGpu: number;
  /** … and which tier each one's is on, at `prices`. [layers] */
  dense: DenseTier[];
}

/** Choices that a bound is to hold for; default all. */
export interface DualScope {
  head?: DenseTier;
  /** Least and most layers with their dense part on the GPU. */
  denseOnGpu?: readonly [number, number];
  /** What each layer decides, as an index of `DECISIONS`. [layers] */
  decisions?: readonly number[];
}

/** Every way to decide a layer, at prices in seconds per byte. */
export function priceLayer(
  layer: LayerProblem,
  curve: FiringCurve,
  prices: ByTier,
  only?: number,
): PricedDecision[] {
  const { neuronBytes, dense, syncSeconds, rates } = layer;
  const lines = [rates.gpu, rates.cpu, rates.flash];
  const perNeuron: ByTier = [
    prices[0] * neuronBytes,
    prices[1] * neuronBytes,
    prices[2] * neuronBytes,
  ];
  const relax = (tiers: readonly number[]) => {
    const present = tiers.filter((tier) => lines[tier] !== null);
    return present.length === 0 ? null : relaxNeurons(curve, lines, perNeuron, present);
  };
  let shared: Split | null | undefined;
  const options: PricedDecision[] = [];
  for (let decision = 0; decision < DECISIONS.length; decision++) {
    if (only !== undefined && only !== decision) continue;
    const { dense: tier, neurons } = DECISIONS[decision] as (typeof DECISIONS)[number];
    const seconds = dense.seconds[tier];
    if (seconds === null || (rates.gpu === null && neurons !== 'elsewhere')) continue;
    if (neurons === 'shared' && shared === undefined) shared = relax(ALL_TIERS);
    const split = neurons === 'shared' ? shared : relax(neurons === 'gpu' ? GPU_ONLY : NOT_GPU);
    if (!split) continue;
    const [gpu, cpu, flash] = split.counts;
    const bytes: ByTier = [gpu * neuronBytes, cpu * neuronBytes, flash * neuronBytes];
    const place = tier === 'gpu' ? 0 : 1;
    bytes[place] += dense.bytes;
    const sync = neurons === 'shared' ? syncSeconds : 0;
    const cost = seconds + sync + prices[place] * dense.bytes + split.value;
    options.push({ decision, cost, counts: split.counts, bytes });
  }
  return options;
}

const ALL_TIERS = [0, 1, 2] as const;
const GPU_ONLY = [0] as const;
const NOT_GPU = [1, 2] as const;

/** The cheaper way to place the head, or the only one. */
function priceHead(
  head: DensePart,
  prices: ByTier,
  only?: DenseTier,
): { cost: number; bytes: ByTier } {
  const cost = (tier: DenseTier) =>
    only !== undefined && only !== tier
      ? Number.POSITIVE_INFINITY
      : denseSeconds(head, tier) + prices[tier === 'gpu' ? 0 : 1] * head.bytes;
  const [gpu, cpu] = [cost('gpu'), cost('cpu')];
  return { cost: Math.min(gpu, cpu), bytes: gpu < cpu ? [head.bytes, 0, 0] : [0, head.bytes, 0] };
}

/**
 * The Lagrange function: Σ over layers of the least time + price of the bytes taken, less the price
 * of the budgets. For any prices ≥ 0 it is at most the time of any choice in `scope` that keeps the
 * budgets. How many dense parts are on the GPU is kept exactly: those that gain most go there.
 */
export function dualAt(
  problem: PlacementProblem,
  curves: readonly FiringCurve[],
  prices: ByTier,
  scope: DualScope = {},
): DualPoint {
  const onGpu: (PricedDecision | undefined)[] = [];
  const onCpu: (PricedDecision | undefined)[] = [];
  for (const [index, layer] of problem.layers.entries()) {
    const only = scope.decisions?.[index];
    const options = priceLayer(layer, curves[index] as FiringCurve, prices, only);
    onGpu.push(leastCost(options, 'gpu'));
    onCpu.push(leastCost(options, 'cpu'));
  }
  const dense = chooseDense(onGpu, onCpu, scope.denseOnGpu);
  const slopes: ByTier = [0, 0, 0];
  let value = 0;
  const take = ({ cost, bytes }: { cost: number; bytes: ByTier }) => {
    value += cost;
    for (let tier = 0; tier < 3; tier++) slopes[tier] = (slopes[tier] ?? 0) + (bytes[tier] ?? 0);
  };
  const chosen = dense.map((tier, index) => (tier === 'gpu' ? onGpu : onCpu)[index] ?? NOWHERE);
  for (const option of chosen) take(option);
  take(priceHead(problem.head, prices, scope.head));
  for (const [index, tier] of TIERS.entries()) {
    const budget = problem.budgetBytes[tier];
    if (budget === Number.POSITIVE_INFINITY) continue;
    value -= (prices[index] as number) * budget;
    slopes[index] = (slopes[index] as number) - budget;
  }
  return {
    value,
    slope: 0,
    prices: [...prices],
    slopes,
    counts: chosen.map(({ counts }) => counts),
    denseOnGpu: dense.filter((tier) => tier === 'gpu').length,
    dense,
  };
}

/** No choice has these decisions on this machine: whatever it is compared with is quicker. */
const NOWHERE: PricedDecision = {
  decision: -1,
  cost: Number.POSITIVE_INFINITY,
  counts: [0, 0, 0],
  bytes: [0, 0, 0],
};

/** The cheaper tier for each dense part; if too few or too many are on the GPU, the nearest to it move. */
function chooseDense(
  onGpu: readonly (PricedDecision | undefined)[],
  onCpu: readonly (PricedDecision | undefined)[],
  [least, most]: readonly [number, number] = [0, onGpu.length],
): DenseTier[] {
  const extra = onGpu.map((option, index) => {
    const [gpu, cpu] = [option?.cost, onCpu[index]?.cost];
    if (gpu === undefined) return Number.POSITIVE_INFINITY;
    return cpu === undefined ? Number.NEGATIVE_INFINITY : gpu - cpu;
  });
  const free = extra.filter((cost) => cost < 0).length;
  const count = Math.min(Math.max(free, least), most);
  const dense = extra.map((cost): DenseTier => (cost < 0 ? 'gpu' : 'cpu'));
  if (count === free) return dense;
  const order = extra.map((_, index) => index);
  order.sort((a, b) => (extra[a] as number) - (extra[b] as number) || a - b);
  for (const [rank, index] of order.entries()) dense[index] = rank < count ? 'gpu' : 'cpu';
  return dense;
}

function leastCost(
  options: readonly PricedDecision[],
  dense: DenseTier,
): PricedDecision | undefined {
  let best: PricedDecision | undefined;
  for (const option of options)
    if (DECISIONS[option.decision]?.dense === dense && !(best && best.cost <= option.cost))
      best = option;
  return best;
}

/** How a dual is maximised. */
export interface DualSearch {
  curves: readonly FiringCurve[];
  /** Relative. */
  tolerance: number;
  /** Prices to start from; 0 if unknown. */
  guess: ByTier;
  /** The size of a price, seconds per byte. */
  step: number;
  scope?: DualScope;
}

/** How many steps a price may be. */
const LARGEST_PRICE = 1e9;

/**
 * Maximises the Lagrange function over the prices of the tiers that can run out, one price nested in
 * the other: the inner maximum is concave in the outer price, and mixing both sides of its kink gives
 * the outer supergradient.
 */
export function maximiseDual(problem: PlacementProblem, search: DualSearch): DualPoint {
  const { curves, step, scope } = search;
  const scarce = scarceTiers(problem).map((tier) => TIERS.indexOf(tier) as 0 | 1 | 2);
  const prices: ByTier = [0, 0, 0];
  const guess: ByTier = [...search.guess];
  const free = dualAt(problem, curves, prices, scope);
  const level = (depth: number): DualPoint => {
    const tier = scarce[depth];
    if (tier === undefined) return dualAt(problem, curves, prices, scope);
    const evaluate = (price: number) => {
      prices[tier] = price;
      const point = level(depth + 1);
      return { ...point, slope: point.slopes[tier] };
    };
    const start = { guess: guess[tier], step, limit: step * LARGEST_PRICE };
    const tolerance = search.tolerance * 0.3 ** depth;
    const maximum = maximiseOnHalfLine(evaluate, start, { tolerance, scale: free.value });
    guess[tier] = maximum.at;
    return mixPoints(maximum);
  };
  return level(0);
}

function mixPoints({ left, right, share }: ConcaveMaximum<DualPoint>): DualPoint {
  if (left === right) return left;
  const mix = (a: ByTier, b: ByTier): ByTier => [
    a[0] === b[0] ? a[0] : share * a[0] + (1 - share) * b[0],
    a[1] === b[1] ? a[1] : share * a[1] + (1 - share) * b[1],
    a[2] === b[2] ? a[2] : share * a[2] + (1 - share) * b[2],
  ];
  const better = left.value >= right.value ? left : right;
  return {
    value: better.value,
    slope: 0,
    prices: better.prices,
    slopes: mix(left.slopes, right.slopes),
    denseOnGpu: share * left.denseOnGpu + (1 - share) * right.denseOnGpu,
    dense: better.dense,
    counts: left.counts.map((counts, layer) => mix(counts, right.counts[layer] as ByTier)),
  };
}

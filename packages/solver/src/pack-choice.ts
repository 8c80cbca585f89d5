import type { Tier } from '@thermocline/contracts';
import { fillBudgets } from './adjust-choice.js';
import { checkChoice, evaluateChoice, usedBytes } from './evaluate-choice.js';
import type { DensePart, DenseTier, PlacementChoice, PlacementProblem } from './problem.js';

/** Parts beside the neurons that are tried on both tiers; larger ones go where there is most room. */
const FREE_PARTS = 10;
/** Neurons of a layer that may move to make the sum of a tier come out. */
const MOST_MOVED = 48;
/** Placements that fit, of which the fastest is taken. */
const MAX_FOUND = 4;
const MAX_PACKED = 200;
const MAX_CELLS = 4_000_000;

/**
 * A choice by bytes alone, for budgets so exact that what is fast does not fit: dense parts and the
 * head are dealt out first, in many ways, then neurons so that flash and the GPU come out as full as
 * whole neurons make them. Memory takes the rest: where it overflows, this is the nearest found.
 */
export function packChoice(problem: PlacementProblem, deadline: number): PlacementChoice {
  let nearest: PlacementChoice | undefined;
  let excess = Number.POSITIVE_INFINITY;
  let best: { choice: PlacementChoice; seconds: number } | undefined;
  let [found, packed] = [0, 0];
  for (const places of densePlaces(problem)) {
    const late = packed >= MAX_PACKED || performance.now() > deadline;
    if (found >= MAX_FOUND || (late && nearest !== undefined)) break;
    packed++;
    const choice = packNeurons(problem, places);
    const over = usedBytes(problem, choice).cpu - problem.budgetBytes.cpu;
    if (over < excess) [nearest, excess] = [choice, over];
    if (checkChoice(problem, choice) !== null) continue;
    found++;
    fillBudgets(problem, choice, deadline);
    const { seconds } = evaluateChoice(problem, choice);
    if (best === undefined || seconds < best.seconds) best = { choice, seconds };
  }
  return best?.choice ?? (nearest as PlacementChoice);
}

/** Tiers of the layers' dense parts and, last, of the head. */
type DensePlaces = DenseTier[];

/** The ways to deal out the dense parts that leave the neurons room, the roomiest first. */
function densePlaces(problem: PlacementProblem): DensePlaces[] {
  const { layers, head, budgetBytes } = problem;
  const parts: DensePart[] = [...layers.map(({ dense }) => dense), head];
  const unit = layers.reduce((unit, { neuronBytes }) => divisor(unit, neuronBytes), 0) || 1;
  const order = [...parts.keys()].sort((a, b) => sizeOf(parts, b) - sizeOf(parts, a));
  const large = order.slice(0, Math.max(0, order.length - FREE_PARTS));
  const small = order.slice(large.length);
  const ways = new Map<number, { places: DensePlaces; room: number }>();
  for (const first of ['gpu', 'cpu'] as const) {
    const left = { gpu: budgetBytes.gpu, cpu: budgetBytes.cpu };
    const places: DensePlaces = parts.map(() => 'cpu');
    const other = first === 'gpu' ? 'cpu' : 'gpu';
    for (const part of large) {
      const { bytes, seconds } = parts[part] as DensePart;
      const tier = seconds.gpu === null ? 'cpu' : bytes <= left[first] ? first : other;
      places[part] = tier;
      left[tier] -= bytes;
    }
    for (let set = 0; set < 2 ** small.length; set++) {
      const tried = [...places];
      let { gpu, cpu } = left;
      let possible = true;
      for (const [bit, part] of small.entries()) {
        const { bytes, seconds } = parts[part] as DensePart;
        const onGpu = (set & (1 << bit)) !== 0;
        if (onGpu && seconds.gpu === null) possible = false;
        tried[part] = onGpu ? 'gpu' : 'cpu';
        if (onGpu) gpu -= bytes;
        else cpu -= bytes;
      }
      if (!possible || gpu < 0) continue;
      const room = Math.floor(gpu / unit) + Math.floor(cpu / unit);
      if (!ways.has(gpu)) ways.set(gpu, { places: tried, room: cpu < 0 ? cpu : room });
    }
  }
  if (ways.size === 0) return [parts.map(() => 'cpu')];
  return [...ways.values()].sort((a, b) => b.room - a.room).map(({ places }) => places);
}

function sizeOf(parts: readonly DensePart[], part: number): number {
  return (parts[part] as DensePart).bytes;
}

/** The GPU, then memory as full as they get; where flash overflows, it and the GPU first. */
function packNeurons(problem: PlacementProblem, places: DensePlaces): PlacementChoice {
  const { layers, head, budgetBytes } = problem;
  const sizes = layers.map(({ neuronBytes }) => neuronBytes);
  const neurons = layers.map(({ firing }) => firing.length - 1);
  const left = { ...budgetBytes };
  left[places.at(-1) as DenseTier] -= head.bytes;
  for (const [index, { dense }] of layers.entries())
    left[places[index] as DenseTier] -= dense.bytes;
  const fill = (tier: Tier, free: readonly number[]) => {
    const most = free.map((count, index) => (layers[index]?.rates[tier] ? count : 0));
    return fillTier(sizes, most, left[tier]);
  };
  const without = (counts: readonly number[], taken: readonly number[]) =>
    counts.map((count, index) => count - (taken[index] as number));

  const dense = { dense: places.slice(0, -1), head: places.at(-1) as DenseTier };
  const first = fill('gpu', neurons);
  const fast = { ...dense, gpu: first, cpu: fill('cpu', without(neurons, first)) };
  if (checkChoice(problem, fast) === null) return fast;
  const rest = without(neurons, fill('flash', neurons));
  const gpu = fill('gpu', rest);
  return { ...dense, gpu, cpu: without(rest, gpu) };
}

/**
 * How many of each size come as near to a budget as possible: evenly first, then some more or fewer
 * of each, by dynamic programming over the sums that they make.
 */
function fillTier(sizes: readonly number[], most: readonly number[], budget: number): number[] {
  const all = most.reduce((sum, count, index) => sum + count * (sizes[index] as number), 0);
  if (all <= budget) return [...most];
  if (budget <= 0) return most.map(() => 0);
  // A share of every layer leaves each some to give and room for some.
  const counts = most.map((count) => Math.floor((count * budget) / all));
  let free = counts.reduce((left, count, i) => left - count * (sizes[i] as number), budget);
  const largestFirst = [...sizes.keys()].sort(
    (a, b) => (sizes[b] as number) - (sizes[a] as number),
  );
  for (const index of largestFirst) {
    const size = sizes[index] as number;
    const room = (most[index] as number) - (counts[index] as number);
    const more = Math.min(room, Math.floor(free / size));
    counts[index] = (counts[index] as number) + more;
    free -= more * size;
  }
  const unit = sizes.reduce(divisor, 0) || 1;
  const wanted = Math.floor(free / unit);
  if (wanted > 0)
    adjustSum(
      sizes.map((size) => size / unit),
      { counts, most, wanted },
    );
  return counts;
}

/** Changes counts so that their sum grows by as much of `wanted` as it can, and by no more. */
function adjustSum(
  sizes: readonly number[],
  { counts, most, wanted }: { counts: number[]; most: readonly number[]; wanted: number },
): void {
  const ranges = sizes.map((_, index) => {
    const count = counts[index] as number;
    return [Math.min(MOST_MOVED, count), Math.min(MOST_MOVED, (most[index] as number) - count)];
  }) as [fewer: number, more: number][];
  const largest = Math.max(...sizes);
  const reach = Math.min(MOST_MOVED * largest, Math.floor(MAX_CELLS / (2 * sizes.length)));
  const width = 2 * reach + 1;
  if (reach < wanted) return;
  // The change of each layer that first led to a sum; 0 is none yet.
  const none = -128;
  const steps: Int8Array[] = [];
  let reached = new Int32Array([reach]);
  for (const [index, size] of sizes.entries()) {
    const step = new Int8Array(width).fill(none);
    const [fewer, more] = ranges[index] as [number, number];
    const next: number[] = [];
    // Small changes first.
    for (let change = 0; change <= MOST_MOVED; change++) {
      for (const signed of change === 0 ? [0] : [change, -change]) {
        if (signed > more || -signed > fewer) continue;
        for (const sum of reached) {
          const at = sum + signed * size;
          if (at < 0 || at >= width || step[at] !== none) continue;
          step[at] = signed;
          next.push(at);
        }
      }
    }
    steps.push(step);
    reached = Int32Array.from(next);
  }
  let best = reach;
  for (const sum of reached) if (sum <= reach + wanted && sum > best) best = sum;
  for (let index = sizes.length - 1, sum = best; index >= 0; index--) {
    const change = steps[index]?.[sum] as number;
    counts[index] = (counts[index] as number) + change;
    sum -= change * (sizes[index] as number);
  }
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

import { PipelineError } from '@thermocline/contracts';
import { maximiseOnHalfLine } from './concave-search.js';
import { fillMemory } from './fill-memory.js';
import { type FiringCurve, pointAbove } from './firing-curve.js';
import { leastNeurons } from './least-neurons.js';
import { type ChoiceItem, chooseOptions } from './multiple-choice.js';
import { placeDense } from './place-dense.js';
import type {
  LayerProblem,
  PlacementChoice,
  PlacementProblem,
  ProblemSolution,
} from './problem.js';
import { requireRoom } from './require-room.js';
import type { SolveLimits } from './solve-latency.js';

/** How PowerInfer's problem is set up. */
export interface ImpactOptions extends SolveLimits {
  /** Neurons of similar rate that are decided as one; default 64. The last of a layer may be fewer. */
  groupNeurons?: number;
  /** `gpu-first` (default): layer by layer, then the head, as long as they fit; `cpu`: all in memory. */
  dense?: 'gpu-first' | 'cpu';
  /** What a layer on the GPU must at least save; default `always-active`, as in the paper. */
  worth?: 'always-active' | 'expected';
}

const MAX_STATES = 500;
const MAX_WORK = 500_000;

/**
 * PowerInfer's placement (§6.3, Equations 2–8): as many firings per token on the GPU as its memory
 * holds, in groups of neurons; of each layer at least as many neurons as make up for one
 * synchronisation, or none. What is left goes to memory, hottest first, and then to flash.
 *
 * In a layer all neurons take the same bytes, so the hottest groups are its best. Prices and dynamic
 * programming over what is near them (`chooseOptions`) find how many of each layer. The bound is the
 * Lagrange dual over any set of groups.
 *
 * @throws PipelineError `PLACEMENT_INFEASIBLE`, `INVALID_ARGUMENT`
 *
 * @example
 * const { choice, value } = solveImpact(problem, { groupNeurons: 64 });
 */
export function solveImpact(
  problem: PlacementProblem,
  {
    groupNeurons = 64,
    dense: where = 'gpu-first',
    worth = 'always-active',
    timeLimitMs = Number.POSITIVE_INFINITY,
  }: ImpactOptions = {},
): ProblemSolution {
  if (!Number.isInteger(groupNeurons) || groupNeurons < 1) {
    const reason = `${groupNeurons} is no number of neurons`;
    const details = { argument: 'groupNeurons', reason };
    throw new PipelineError('INVALID_ARGUMENT', `groupNeurons: ${reason}`, details);
  }
  requireRoom(problem);
  const { layers } = problem;
  const { dense, head, left } = placeDense(problem, where);
  const least = layers.map((layer) => leastNeurons(layer, worth));
  const items = layers.map((layer, index) =>
    groupOptions(layer, least[index] as number, groupNeurons),
  );
  const budgets = [left.gpu, left.cpu + problem.budgetBytes.flash];
  const scarce = [0, 1].filter((r) => mostBytes(items, r) > (budgets[r] as number));
  const answer = chooseOptions(
    items.map(({ costs, bytes }) => ({
      costs,
      bytes: scarce.map((r) => bytes[r] as Float64Array),
    })),
    scarce.map((r) => budgets[r] as number),
    { maxStates: MAX_STATES, maxWork: MAX_WORK, deadline: performance.now() + timeLimitMs },
  );
  if (answer === null) throw restTooLarge(problem, items, left);

  const gpu = answer.picks.map((pick, index) => items[index]?.neurons[pick] as number);
  const cpu = fillMemory(layers, gpu, left.cpu);
  const choice: PlacementChoice = { dense, head, gpu, cpu };
  const value = gpu.reduce((sum, count, index) => sum + (layers[index]?.firing[count] ?? 0), 0);
  const dual = mostFirings(layers, { least, groupNeurons, budget: left.gpu });
  // Without shorter groups the first groups of a layer are as good as any.
  const even = layers.every(({ firing }) => (firing.length - 1) % groupNeurons === 0);
  const bound = even && answer.exact ? value : Math.max(value, dual.firings * (1 + 1e-12));
  const gap = value === 0 ? (bound === 0 ? 0 : 1) : (bound - value) / value;
  return { choice, value, bound, gap, shadowPrices: { gpu: dual.price, cpu: 0, flash: 0 } };
}

interface GroupOptions extends ChoiceItem {
  /** On the GPU. [options] */
  neurons: number[];
}

/** None, or so many groups that they hold `least` neurons or more. */
function groupOptions(layer: LayerProblem, least: number, groupNeurons: number): GroupOptions {
  const { firing, neuronBytes, rates } = layer;
  const all = firing.length - 1;
  const restAllowed = rates.cpu !== null || rates.flash !== null;
  const neurons = restAllowed ? [0] : [];
  if (rates.gpu !== null)
    for (let count = groupNeurons; count < all + groupNeurons; count += groupNeurons) {
      const whole = Math.min(count, all);
      if (whole >= least && (restAllowed || whole === all)) neurons.push(whole);
    }
  return {
    neurons,
    costs: Float64Array.from(neurons, (count) => -(firing[count] as number)),
    bytes: [
      Float64Array.from(neurons, (count) => count * neuronBytes),
      Float64Array.from(neurons, (count) => (all - count) * neuronBytes),
    ],
  };
}

function mostBytes(items: readonly GroupOptions[], resource: number): number {
  return items.reduce((sum, { bytes }) => {
    return sum + (bytes[resource] as Float64Array).reduce((a, b) => Math.max(a, b), 0);
  }, 0);
}

interface ImpactBound {
  /** [layers] */
  least: readonly number[];
  groupNeurons: number;
  /** Bytes of the GPU. */
  budget: number;
}

/**
 * The Lagrange bound on firings per token on the GPU, over any set of groups. All groups take a
 * multiple of some number of bytes, so what is left of the budget beyond one is of no use.
 */
function mostFirings(
  layers: readonly LayerProblem[],
  { least, groupNeurons, budget }: ImpactBound,
): { firings: number; price: number } {
  const curves = layers.map(({ firing }) => groupCurve(firing, groupNeurons));
  const total = layers.reduce((sum, { firing }) => sum + (firing.at(-1) as number), 0);
  const unit = layers.reduce((unit, { firing, neuronBytes }) => {
    const last = (firing.length - 1) % groupNeurons;
    return divisor(divisor(unit, groupNeurons * neuronBytes), last * neuronBytes);
  }, 0);
  const usable = unit > 0 ? Math.floor(budget / unit) * unit : budget;
  const at = (price: number) => {
    let [firings, bytes] = [0, 0];
    for (const [index, { firing, neuronBytes, rates }] of layers.entries()) {
      const minimum = least[index] as number;
      if (rates.gpu === null || minimum > firing.length - 1) continue;
      const curve = curves[index] as FiringCurve;
      const point = pointAbove(curve, price * neuronBytes);
      const best = curve.positions?.[point] ?? point;
      const count = Math.max(minimum, best);
      const sum = count > best ? sumAt(curve, count) : (curve.firing[point] as number);
      const gain = sum - price * count * neuronBytes;
      if (gain <= 0) continue;
      firings += gain;
      bytes += count * neuronBytes;
    }
    return { value: -firings - price * usable, slope: bytes - usable, price };
  };
  const step = Math.max(total, 1e-9) / Math.max(budget, 1);
  const start = { guess: step, step, limit: step * 1e12 };
  const { left, right } = maximiseOnHalfLine(at, start, { tolerance: 1e-9 });
  const best = left.value >= right.value ? left : right;
  return { firings: -best.value, price: best.price };
}

/** Sums at the ends of groups: straight in between, where no set of groups is above it. */
function groupCurve(firing: Float64Array, groupNeurons: number): FiringCurve {
  const neurons = firing.length - 1;
  const groups = Math.ceil(neurons / groupNeurons);
  const ends = Float64Array.from({ length: groups + 1 }, (_, group) =>
    Math.min(group * groupNeurons, neurons),
  );
  return { positions: ends, firing: ends.map((end) => firing[end] as number), neurons };
}

function sumAt({ positions, firing }: FiringCurve, count: number): number {
  const ends = positions as Float64Array;
  const point = ends.findIndex((end) => end >= count);
  if (point <= 0) return firing[0] as number;
  const [begin, end] = [ends[point - 1] as number, ends[point] as number];
  const [below, above] = [firing[point - 1] as number, firing[point] as number];
  return below + ((above - below) * (count - begin)) / (end - begin);
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

function restTooLarge(
  { budgetBytes }: PlacementProblem,
  items: readonly GroupOptions[],
  left: { gpu: number; cpu: number },
): PipelineError {
  const all = items.reduce((sum, { bytes }) => sum + Math.max(...(bytes[1] ?? [0])), 0);
  const requiredBytes = all - left.gpu + budgetBytes.cpu - left.cpu - budgetBytes.flash;
  const availableBytes = budgetBytes.cpu;
  const reason = `groups and layers that are worth the GPU leave more than memory and flash hold (${all} bytes of neurons, ${left.gpu} of them at most on the GPU)`;
  const details = { tier: 'cpu', requiredBytes, availableBytes, reason } as const;
  return new PipelineError('PLACEMENT_INFEASIBLE', `The model does not fit: ${reason}.`, details);
}

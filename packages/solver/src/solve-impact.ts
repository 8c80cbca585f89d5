import { PipelineError } from '@thermocline/contracts';
import { maximiseOnHalfLine } from './concave-search.js';
import { usedBytes } from './evaluate-choice.js';
import { placeRest, restBudget } from './fill-memory.js';
import { type FiringCurve, pointAbove } from './firing-curve.js';
import { leastNeurons } from './least-neurons.js';
import { type ChoiceItem, chooseOptions, type MultipleChoice } from './multiple-choice.js';
import { type PlacedDense, placeDense } from './place-dense.js';
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
/** Times that the rest may turn out not to fit memory and flash, for want of whole neurons. */
const MAX_TRIES = 8;

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
  const deadline = performance.now() + timeLimitMs;
  const placed = placeDense(problem, where);
  const { left } = placed;
  const least = layers.map((layer) => leastNeurons(layer, worth));
  const items = layers.map((layer, index) =>
    groupOptions(layer, least[index] as number, groupNeurons),
  );
  const { gpu, choice, exact } = chooseGroups(problem, { items, placed, deadline });
  const value = gpu.reduce((sum, count, index) => sum + (layers[index]?.firing[count] ?? 0), 0);
  const dual = mostFirings(layers, { least, groupNeurons, budget: left.gpu });
  // Without shorter groups the first groups of a layer are as good as any.
  const even = layers.every(({ firing }) => (firing.length - 1) % groupNeurons === 0);
  const bound = even && exact ? value : Math.max(value, dual.firings * (1 + 1e-12));
  const gap = value === 0 ? (bound === 0 ? 0 : 1) : (bound - value) / value;
  return { choice, value, bound, gap, shadowPrices: { gpu: dual.price, cpu: 0, flash: 0 } };
}

interface GroupSearch {
  items: readonly GroupOptions[];
  placed: PlacedDense;
  deadline: number;
}

/** The groups on the GPU and where the rest goes, such that each tier holds its own. */
function chooseGroups(
  problem: PlacementProblem,
  { items, placed, deadline }: GroupSearch,
): { gpu: number[]; choice: PlacementChoice; exact: boolean } {
  const { left } = placed;
  let rest = restBudget(problem, left.cpu);
  let nearest: PlacementChoice | undefined;
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const answer = pickGroups(items, [left.gpu, rest], deadline);
    if (answer === 'spent') break;
    if (answer === 'infeasible') {
      if (tries === 0) throw restTooLarge(problem, items, placed);
      break;
    }
    const gpu = answer.picks.map((pick, index) => items[index]?.neurons[pick] as number);
    const { choice, unused, fault } = placeRest(problem, placed, gpu);
    // With less to hold elsewhere, more has to be on the GPU.
    if (fault === null) return { gpu, choice, exact: answer.exact && tries === 0 };
    nearest = choice;
    if (!(unused > 0)) break;
    rest -= unused;
  }
  throw notFound(problem, items, placed, nearest);
}

/** The best groups found: by search or, where that has no time, one by one. */
function pickGroups(
  items: readonly GroupOptions[],
  budgets: readonly [gpu: number, rest: number],
  deadline: number,
): MultipleChoice | 'infeasible' | 'spent' {
  const scarce = [0, 1].filter((r) => mostBytes(items, r) > (budgets[r] as number));
  const answer = chooseOptions(
    items.map(({ costs, bytes }) => ({
      costs,
      bytes: scarce.map((r) => bytes[r] as Float64Array),
    })),
    scarce.map((r) => budgets[r] as number),
    { maxStates: MAX_STATES, maxWork: MAX_WORK, deadline },
  );
  if (answer === 'infeasible' || (answer !== 'spent' && answer.exact)) return answer;
  let best = answer;
  for (const order of ['hottest', 'largest'] as const) {
    const greedy = greedyGroups(items, budgets, order);
    if (greedy !== null && (best === 'spent' || greedy.cost < best.cost)) best = greedy;
  }
  return best;
}

/** Takes groups as long as they fit, by firings per byte or by bytes; `null` if the rest is too large. */
function greedyGroups(
  items: readonly GroupOptions[],
  [gpuBytes, restBytes]: readonly [gpu: number, rest: number],
  order: 'hottest' | 'largest',
): MultipleChoice | null {
  const steps: { item: number; option: number; bytes: number; worth: number }[] = [];
  const picks = items.map(() => 0);
  let [free, rest, cost] = [gpuBytes, 0, 0];
  for (const [item, { costs, bytes }] of items.entries()) {
    const [taken, others] = bytes as [Float64Array, Float64Array];
    free -= taken[0] as number;
    rest += others[0] as number;
    cost += costs[0] as number;
    for (let option = 1; option < costs.length; option++) {
      const more = (taken[option] as number) - (taken[option - 1] as number);
      const firings = (costs[option - 1] as number) - (costs[option] as number);
      steps.push({ item, option, bytes: more, worth: order === 'hottest' ? firings / more : more });
    }
  }
  // Later groups of a layer are never worth more, so a layer's steps stay in order.
  steps.sort((a, b) => b.worth - a.worth || a.item - b.item || a.option - b.option);
  for (const { item, option, bytes } of steps) {
    if (bytes > free || picks[item] !== option - 1) continue;
    picks[item] = option;
    const { costs } = items[item] as GroupOptions;
    cost += (costs[option] as number) - (costs[option - 1] as number);
    free -= bytes;
    rest -= bytes;
  }
  return free >= 0 && rest <= restBytes ? { picks, cost, exact: false } : null;
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
  problem: PlacementProblem,
  items: readonly GroupOptions[],
  { left }: PlacedDense,
): PipelineError {
  const [requiredBytes, availableBytes] = [
    memoryFor(problem, items, left),
    problem.budgetBytes.cpu,
  ];
  const reason = `groups and layers that are worth the GPU leave more than memory and flash hold: memory would need ${requiredBytes} bytes and may use ${availableBytes}`;
  const details = { tier: 'cpu', requiredBytes, availableBytes, reason } as const;
  return new PipelineError('PLACEMENT_INFEASIBLE', `The model does not fit: ${reason}.`, details);
}

/** Nothing was found, and nothing proved: the numbers are those of the nearest that was tried. */
function notFound(
  problem: PlacementProblem,
  items: readonly GroupOptions[],
  { left }: PlacedDense,
  nearest: PlacementChoice | undefined,
): PipelineError {
  const [tier, requiredBytes] = nearest
    ? (['flash', usedBytes(problem, nearest).flash] as const)
    : (['cpu', memoryFor(problem, items, left)] as const);
  const availableBytes = problem.budgetBytes[tier];
  const reason = `no placement of whole groups and neurons was found; the nearest takes ${requiredBytes} bytes of ${tier}, where ${availableBytes} may be used`;
  const details = { tier, requiredBytes, availableBytes, reason };
  return new PipelineError('PLACEMENT_INFEASIBLE', `No placement: ${reason}.`, details);
}

/** Bytes of memory beside a full flash, with as much on the GPU as one by one fits. */
function memoryFor(
  problem: PlacementProblem,
  items: readonly GroupOptions[],
  left: PlacedDense['left'],
): number {
  const picks = greedyGroups(items, [left.gpu, Number.POSITIVE_INFINITY], 'largest')?.picks;
  const rest = items.reduce((sum, { bytes }, index) => {
    return sum + ((bytes[1] as Float64Array)[picks?.[index] ?? 0] ?? 0);
  }, 0);
  return problem.budgetBytes.cpu - left.cpu + rest - restBudget(problem, 0);
}

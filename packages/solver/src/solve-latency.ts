import { PipelineError, TIERS } from '@thermocline/contracts';
import { fillBudgets, keepBudgets, settleBorders } from './adjust-choice.js';
import { decisionPath } from './decision-path.js';
import { checkChoice, evaluateChoice, usedBytes } from './evaluate-choice.js';
import { coarseCurve, type FiringCurve, fullCurve } from './firing-curve.js';
import { type Branch, branchLatency, proveBound } from './latency-branches.js';
import { DECISIONS, type DualPoint, type DualSearch, maximiseDual } from './latency-dual.js';
import { packChoice } from './pack-choice.js';
import type { DenseTier, PlacementChoice, PlacementProblem, ProblemSolution } from './problem.js';
import type { ByTier } from './relax-neurons.js';
import { requireRoom } from './require-room.js';
import { solveByOptions } from './solve-by-options.js';

/** How long to look for something better. */
export interface SolveLimits {
  /** The best so far is the result when it runs out; default: no limit. */
  timeLimitMs?: number;
}

const CURVE_POINTS = 64;
/** Enough to round to whole neurons; the full curves of a large model are too large for caches. */
const FINE_POINTS = 768;
/** Sums over half a million neurons are this exact, relative. */
const ROUNDING = 1e-12;
const MAX_STATES = 4_000;
const MAX_WORK = 2_000_000;
/** A choice this close to what parts of neurons would reach is good. */
const NEAR = 1e-4;

/**
 * Places neurons and dense parts so that a token takes least time.
 *
 * The bound: for prices λ ≥ 0 per byte, time + Σ λ · (bytes − budget) is at most the time of any
 * choice within the budgets, and its minimum falls apart into layers, each of which is bounded
 * (`relaxNeurons`) for any assignment of single neurons. The prices that make it highest also show
 * the choice: layers decide as a whole, then borders between tiers follow, then single neurons fill
 * what is left. Problems small enough to list are solved exactly over all pairs of borders.
 *
 * @throws PipelineError `PLACEMENT_INFEASIBLE` with the tier that is too small, and the numbers
 *
 * @example
 * const { choice, value, gap } = solveLatency(problem, { timeLimitMs: 1_000 });
 */
export function solveLatency(
  problem: PlacementProblem,
  { timeLimitMs = Number.POSITIVE_INFINITY }: SolveLimits = {},
): ProblemSolution {
  const deadline = performance.now() + timeLimitMs;
  requireRoom(problem);
  const coarse = problem.layers.map(({ firing }) => coarseCurve(firing, CURVE_POINTS));
  const fine = problem.layers.map(({ firing }) => coarseCurve(firing, FINE_POINTS));
  const listed = solveByOptions(problem, {
    maxStates: MAX_STATES,
    maxWork: MAX_WORK,
    deadline,
  });

  if (listed === 'infeasible') throw noChoice(problem);
  let choice = listed?.choice;
  let value = choice === undefined ? Number.POSITIVE_INFINITY : secondsOf(problem, choice);
  const solve = (branch: Branch): number => {
    if (listed?.exact) return value;
    const near = solveBranch(problem, { coarse, fine, branch, deadline });
    const seconds = near === undefined ? Number.POSITIVE_INFINITY : secondsOf(problem, near);
    if (seconds < value) [choice, value] = [near, seconds];
    return seconds;
  };
  const search = startOf(problem, coarse);
  const branches = branchLatency(problem, { ...search, known: value, solve, deadline });
  if (choice === undefined) {
    const packed = packChoice(problem, deadline);
    if (checkChoice(problem, packed) !== null) throw noChoice(problem, packed);
    [choice, value] = [packed, secondsOf(problem, packed)];
  }
  const full = problem.layers.map(({ firing }) => fullCurve(firing));
  const proven = proveBound(problem, branches, { full, value, search: startOf(problem, fine) });
  const bound = Math.min(value, proven.bound - ROUNDING * Math.abs(proven.bound));
  const [gpu, cpu, flash] = proven.prices;
  const gap = value === 0 ? 0 : (value - bound) / value;
  return { choice, value, bound, gap, shadowPrices: { gpu, cpu, flash } };
}

/** Seconds per token; infinite for a choice that breaks a constraint. */
function secondsOf(problem: PlacementProblem, choice: PlacementChoice): number {
  if (checkChoice(problem, choice) !== null) return Number.POSITIVE_INFINITY;
  return evaluateChoice(problem, choice).seconds;
}

interface BranchSolve {
  coarse: readonly FiringCurve[];
  fine: readonly FiringCurve[];
  branch: Branch;
  deadline: number;
}

/** Whole decisions first, then what their prices say about the neurons, then single neurons. */
function solveBranch(
  problem: PlacementProblem,
  { coarse, fine, branch, deadline }: BranchSolve,
): PlacementChoice | undefined {
  const { scope, point } = branch;
  const { prices } = point;
  const { head } = scope;
  const path = decisionPath(problem, coarse, prices, point.dense);
  const tried = new Map<number, number>();
  const valueAt = (position: number): number => {
    const known = tried.get(position);
    if (known !== undefined) return known;
    // Not worth a look where it cannot be better than what is known.
    const lower = point.value + path.riseAt(position);
    const decisions = path.decisionsAt(position);
    const value =
      lower >= Math.min(...tried.values())
        ? lower
        : relaxedValue(problem, {
            ...startOf(problem, coarse),
            guess: prices,
            tolerance: 1e-5,
            scope: { head, decisions },
          });
    tried.set(position, value);
    return value;
  };
  const position = leastOnPath(path.below, path.above, valueAt, deadline);
  if (position === undefined) return undefined;
  const decisions = path.decisionsAt(position);
  const search = { ...startOf(problem, fine), guess: prices };
  const best = maximiseDual(problem, { ...search, scope: { head, decisions } });
  return roundChoice(problem, { head, decisions }, best, deadline);
}

/** The least time, parts of neurons allowed; infinite where nothing keeps the budgets. */
function relaxedValue(problem: PlacementProblem, search: DualSearch): number {
  const { value, slopes } = maximiseDual(problem, search);
  // Prices at their limit, and still more is asked for than there is.
  const short = TIERS.some(
    (tier, i) => (slopes[i] as number) > 1e-6 * problem.budgetBytes[tier] + 1,
  );
  return short ? Number.POSITIVE_INFINITY : value;
}

/** Golden-section search over the positions −below … above, where values fall, then rise. */
function leastOnPath(
  below: number,
  above: number,
  valueAt: (position: number) => number,
  deadline: number,
): number | undefined {
  let best = 0;
  const look = (position: number) => {
    if (valueAt(position) < valueAt(best)) best = position;
  };
  look(0);
  // The first decisions that fit at all: every flip upwards takes less of what is scarce.
  for (let step = 1; valueAt(best) === Number.POSITIVE_INFINITY && step <= above; step++)
    look(step);
  for (const direction of [1, -1]) {
    const end = direction > 0 ? above : below;
    let reach = 1;
    for (let distance = 1; distance <= end && performance.now() < deadline; distance += reach) {
      const previous = best;
      look(direction * distance);
      if (best === previous) {
        if (reach === 1) break;
        distance -= reach;
        reach = Math.max(1, Math.floor(reach / 4));
      } else reach = Math.min(reach * 2, end - distance || 1);
    }
  }
  return valueAt(best) === Number.POSITIVE_INFINITY ? undefined : best;
}

function roundChoice(
  problem: PlacementProblem,
  { head, decisions }: { head: DenseTier; decisions: readonly number[] },
  point: DualPoint,
  deadline: number,
): PlacementChoice | undefined {
  const choice: PlacementChoice = { dense: [], head, gpu: [], cpu: [] };
  for (const [index, { firing, rates }] of problem.layers.entries()) {
    const neurons = firing.length - 1;
    const [gpu, cpu] = point.counts[index] as ByTier;
    choice.dense.push(DECISIONS[decisions[index] as number]?.dense ?? 'cpu');
    const onGpu = rates.cpu || rates.flash ? Math.min(neurons, Math.floor(gpu + 1e-6)) : neurons;
    const rest = neurons - onGpu;
    choice.gpu.push(onGpu);
    choice.cpu.push(rates.flash ? Math.min(rest, Math.floor(cpu + 1e-6)) : rest);
  }
  const rounded = structuredClone(choice);
  const found = adjust(problem, choice, deadline);
  if (found !== undefined && secondsOf(problem, found) <= point.value * (1 + NEAR)) return found;
  // What is best for single neurons puts hot ones behind cold ones here: look for other borders.
  settleBorders(problem, rounded, point.prices);
  const settled = adjust(problem, rounded, deadline);
  if (found === undefined || settled === undefined) return found ?? settled;
  return secondsOf(problem, settled) < secondsOf(problem, found) ? settled : found;
}

/** Makes a choice keep the budgets, and use them up. */
function adjust(
  problem: PlacementProblem,
  choice: PlacementChoice,
  deadline: number,
): PlacementChoice | undefined {
  if (!keepBudgets(problem, choice)) return undefined;
  fillBudgets(problem, choice, deadline);
  return choice;
}

/** How to look for prices: their size is what a byte saves on average. */
function startOf(problem: PlacementProblem, curves: readonly FiringCurve[]): DualSearch {
  let seconds = 0;
  let bytes = problem.head.bytes;
  for (const { firing, neuronBytes, rates, dense } of problem.layers) {
    const neurons = firing.length - 1;
    const slowest = Math.max(
      ...TIERS.map((tier) => {
        const rate = rates[tier];
        return rate === null
          ? 0
          : neurons * rate.perNeuron + (firing[neurons] as number) * rate.perFiring;
      }),
    );
    seconds += slowest + dense.seconds.cpu;
    bytes += neurons * neuronBytes + dense.bytes;
  }
  const step = Math.max(seconds, 1e-12) / Math.max(bytes, 1);
  return { curves, tolerance: 1e-5, guess: [0, 0, 0], step };
}

/** Without `nearest` it is proved that there is none; otherwise the numbers are those of that one. */
function noChoice(problem: PlacementProblem, nearest?: PlacementChoice): PipelineError {
  const shown = nearest ?? packChoice(problem, performance.now());
  const used = usedBytes(problem, shown);
  const { budgetBytes } = problem;
  const tier = TIERS.find((tier) => used[tier] > budgetBytes[tier]) ?? 'cpu';
  const [requiredBytes, availableBytes] = [used[tier], budgetBytes[tier]];
  const what = nearest ? 'no placement was found' : 'there is no placement';
  const reason = `${what}: the parts fit in sum, but are not to be dealt out; the nearest takes ${requiredBytes} bytes of ${tier}, where ${availableBytes} may be used`;
  const details = { tier, requiredBytes, availableBytes, reason };
  return new PipelineError('PLACEMENT_INFEASIBLE', `No placement: ${reason}.`, details);
}

import { isPipelineError, PipelineError, TIERS, type Tier } from '@thermocline/contracts';
import highsModule, { type Highs, type Model } from 'highs';
import { keepBudgets } from './adjust-choice.js';
import { checkChoice, evaluateChoice, usedBytes } from './evaluate-choice.js';
import { placeRest, restBudget } from './fill-memory.js';
import { writeLinearProgram } from './linear-program.js';
import { placeDense } from './place-dense.js';
import {
  denseVariable,
  groupNeurons as groupsOf,
  groupVariable,
  impactProgram,
  latencyProgram,
} from './placement-program.js';
import type { DenseTier, PlacementChoice, PlacementProblem, ProblemSolution } from './problem.js';

/** What HiGHS is to solve, and for how long. */
export interface HighsOptions {
  objective: 'latency' | 'impact';
  /** The best so far is the result when it runs out. */
  timeLimitMs?: number;
  /** |value − bound| ÷ |value| that is near enough; default 1e-6. */
  mipGap?: number;
  /** Neurons decided as one; default: as few as keep the program below some 10,000 groups, or 64. */
  groupNeurons?: number;
}

/** An optimum over any assignment of groups to tiers, hotter ones on faster tiers or not. */
export interface FreeOptimum {
  /** Seconds per token, or firings per token on the GPU. */
  value: number;
  bound: number;
  /** The tier of each group. [layers][groups] */
  tiers: Tier[][];
  dense: DenseTier[];
  head: DenseTier;
}

// Its types describe CommonJS; as an ES module its default export is the loader itself.
const loader: unknown = highsModule;
const loadHighs = (
  typeof loader === 'function' ? loader : highsModule.default
) as () => Promise<Highs>;

const MAX_GROUPS = 10_000;
/** Times that the rest may turn out not to fit memory and flash, for want of whole neurons. */
const MAX_TRIES = 8;
/** Seconds are scaled so that a token takes about so many units: the solver's tolerances are absolute. */
const UNITS_PER_TOKEN = 1e4;

interface Answer {
  value: number;
  bound: number;
  isSet(variable: string): boolean;
}

/**
 * Solves a placement problem with HiGHS as a mixed-integer program over groups of neurons, hotter
 * groups on faster tiers. Value and bound hold for such groups.
 *
 * HiGHS runs as WebAssembly on this thread: nothing else happens until it is done, and it may
 * overshoot its time limit. Use a worker where that matters.
 *
 * @throws PipelineError `PLACEMENT_INFEASIBLE`; `INVALID_ARGUMENT` when the time limit is too short
 * for any answer; `INTERNAL` when HiGHS ends without one for another reason
 *
 * @example
 * const { value, gap } = await solveWithHighs(problem, { objective: 'latency', timeLimitMs: 10_000 });
 */
export async function solveWithHighs(
  problem: PlacementProblem,
  options: HighsOptions,
): Promise<ProblemSolution> {
  const size = options.groupNeurons ?? defaultGroup(problem, options.objective);
  const { choice, answer } = await solveWhole(problem, options, size);
  const value =
    options.objective === 'latency'
      ? evaluateChoice(problem, choice).seconds
      : choice.gpu.reduce((sum, count, i) => sum + (problem.layers[i]?.firing[count] ?? 0), 0);
  const best = options.objective === 'latency' ? Math.min : Math.max;
  const bound = best(value, answer.bound);
  const gap = value === bound ? 0 : Math.abs((value - bound) / value);
  return { choice, value, bound, gap, shadowPrices: { gpu: 0, cpu: 0, flash: 0 } };
}

/**
 * The same without the order: the optimum over all assignments of groups, as the oracle of bounds.
 *
 * @throws PipelineError as `solveWithHighs`
 */
export async function solveFreely(
  problem: PlacementProblem,
  options: HighsOptions,
): Promise<FreeOptimum> {
  const size = options.groupNeurons ?? defaultGroup(problem, options.objective);
  const { value, bound, isSet } = await run(problem, options, size, false);
  const tiers = problem.layers.map((layer, index) =>
    groupsOf(layer, size).map(
      (_, group) => TIERS.find((tier) => isSet(groupVariable(tier, index, group))) ?? 'cpu',
    ),
  );
  const dense = problem.layers.map((_, index) => denseTier(isSet, index));
  return { value, bound, tiers, dense, head: denseTier(isSet, 'head') };
}

function defaultGroup({ layers }: PlacementProblem, objective: 'latency' | 'impact'): number {
  if (objective === 'impact') return 64;
  const neurons = layers.reduce((sum, { firing }) => sum + firing.length - 1, 0);
  return Math.ceil(neurons / MAX_GROUPS);
}

async function run(
  problem: PlacementProblem,
  { objective, timeLimitMs, mipGap = 1e-6 }: HighsOptions,
  groupNeurons: number,
  ordered: boolean,
  restBytes?: number,
): Promise<Answer> {
  const unit = objective === 'latency' ? unitSeconds(problem) : 1;
  const program =
    objective === 'latency'
      ? latencyProgram(problem, { groupNeurons, ordered }, unit)
      : impactProgram(problem, {
          groupNeurons,
          ordered,
          ...(restBytes !== undefined && { restBytes }),
        });
  const highs = await loadHighs();
  return highs.withModel({ format: 'lp', data: writeLinearProgram(program) }, (model) => {
    model.options.set({
      output_flag: false,
      mip_rel_gap: mipGap,
      mip_abs_gap: 0,
      ...(timeLimitMs === undefined ? {} : { time_limit: timeLimitMs / 1000 }),
    });
    model.run();
    return readAnswer(model, unit, timeLimitMs);
  });
}

/** HiGHS' codes: how a run ended, and whether it left a feasible point. */
const STATUS = { optimal: 7, infeasible: 8, timeLimit: 13, feasiblePoint: 2 };

function readAnswer(model: Model, unit: number, timeLimitMs: number | undefined): Answer {
  const status = Number(model.getModelStatus());
  if (status === STATUS.infeasible) {
    const reason = 'no assignment of groups of neurons keeps the budgets';
    const details = { tier: 'cpu', requiredBytes: 0, availableBytes: 0, reason } as const;
    throw new PipelineError('PLACEMENT_INFEASIBLE', `The model does not fit: ${reason}.`, details);
  }
  const hasPoint = Number(model.info.get('primal_solution_status')) === STATUS.feasiblePoint;
  if (!hasPoint && status === STATUS.timeLimit) {
    const reason = `HiGHS found no placement within ${timeLimitMs} ms; raise the limit, or let the solver of this package choose`;
    const details = { argument: 'timeLimitMs', reason };
    throw new PipelineError('INVALID_ARGUMENT', `timeLimitMs: ${reason}.`, details);
  }
  if (!hasPoint || (status !== STATUS.optimal && status !== STATUS.timeLimit)) {
    const reason = `HiGHS ended with status ${status} and no placement`;
    throw new PipelineError('INTERNAL', `${reason}. Try larger groups.`, {
      reason,
    });
  }
  const values = model.getSolution().colValue;
  const set = new Set<string>();
  for (let column = 0; column < values.length; column++)
    if ((values[column] as number) > 0.5) set.add(model.getColName(column));
  return {
    value: model.getObjectiveValue() * unit,
    bound: Number(model.info.get('mip_dual_bound')) * unit,
    isSet: (variable) => set.has(variable),
  };
}

/** A choice that keeps every budget, and the answer whose bound holds for it. */
async function solveWhole(
  problem: PlacementProblem,
  options: HighsOptions,
  size: number,
): Promise<{ choice: PlacementChoice; answer: Answer }> {
  const answer = await run(problem, options, size, true);
  if (options.objective === 'latency') {
    const choice = latencyChoice(problem, size, answer);
    // Its tolerances may leave a budget broken by a neuron.
    keepBudgets(problem, choice);
    requireKept(problem, choice);
    return { choice, answer };
  }
  const placed = placeDense(problem, 'gpu-first');
  let restBytes = restBudget(problem, placed.left.cpu);
  let rest = placeRest(problem, placed, countGroups(problem, 'gpu', size, answer));
  // Memory holds whole neurons: with less to hold there, more has to be on the GPU.
  for (let tries = 1; rest.fault !== null && rest.unused > 0 && tries < MAX_TRIES; tries++) {
    restBytes -= rest.unused;
    const next = await run(problem, options, size, true, restBytes).catch(noneOf);
    if (next === undefined) break;
    rest = placeRest(problem, placed, countGroups(problem, 'gpu', size, next));
  }
  requireKept(problem, rest.choice);
  return { choice: rest.choice, answer };
}

function noneOf(error: unknown): undefined {
  if (!isPipelineError(error, 'PLACEMENT_INFEASIBLE')) throw error;
}

/** @throws PipelineError `PLACEMENT_INFEASIBLE` with the tier that holds more than it may */
function requireKept(problem: PlacementProblem, choice: PlacementChoice): void {
  const fault = checkChoice(problem, choice);
  if (fault === null) return;
  const { budgetBytes } = problem;
  const used = usedBytes(problem, choice);
  const tier = TIERS.find((tier) => used[tier] > budgetBytes[tier]) ?? 'cpu';
  const reason = `no placement was found that keeps every budget; the nearest has ${fault}`;
  const details = { tier, requiredBytes: used[tier], availableBytes: budgetBytes[tier], reason };
  throw new PipelineError('PLACEMENT_INFEASIBLE', `No placement: ${reason}.`, details);
}

function countGroups(
  { layers }: PlacementProblem,
  tier: Tier,
  size: number,
  { isSet }: Answer,
): number[] {
  return layers.map((layer, index) =>
    groupsOf(layer, size).reduce(
      (sum, { neurons }, group) => sum + (isSet(groupVariable(tier, index, group)) ? neurons : 0),
      0,
    ),
  );
}

function latencyChoice(problem: PlacementProblem, size: number, answer: Answer): PlacementChoice {
  return {
    dense: problem.layers.map((_, index) => denseTier(answer.isSet, index)),
    head: denseTier(answer.isSet, 'head'),
    gpu: countGroups(problem, 'gpu', size, answer),
    cpu: countGroups(problem, 'cpu', size, answer),
  };
}

function denseTier(isSet: Answer['isSet'], layer: number | 'head'): DenseTier {
  return isSet(denseVariable(layer)) ? 'gpu' : 'cpu';
}

/** The scale of times: all on the slowest tier. */
function unitSeconds({ layers, head }: PlacementProblem): number {
  let seconds = head.seconds.cpu;
  for (const { rates, firing, dense } of layers) {
    const all = firing.length - 1;
    const times = TIERS.map((tier) => {
      const rate = rates[tier];
      return rate ? all * rate.perNeuron + (firing[all] as number) * rate.perFiring : 0;
    });
    seconds += dense.seconds.cpu + Math.max(...times);
  }
  return seconds > 0 ? seconds / UNITS_PER_TOKEN : 1;
}

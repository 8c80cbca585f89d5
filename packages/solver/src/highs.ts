import { PipelineError, TIERS, type Tier } from '@thermocline/contracts';
import highsModule, { type Highs, type Model } from 'highs';
import { evaluateChoice } from './evaluate-choice.js';
import { fillMemory } from './fill-memory.js';
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
 * @throws PipelineError `PLACEMENT_INFEASIBLE`; `INTERNAL` when HiGHS ends without an answer
 *
 * @example
 * const { value, gap } = await solveWithHighs(problem, { objective: 'latency', timeLimitMs: 10_000 });
 */
export async function solveWithHighs(
  problem: PlacementProblem,
  options: HighsOptions,
): Promise<ProblemSolution> {
  const size = options.groupNeurons ?? defaultGroup(problem, options.objective);
  const answer = await run(problem, options, size, true);
  const choice = toChoice(problem, options.objective, size, answer);
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
): Promise<Answer> {
  const unit = objective === 'latency' ? unitSeconds(problem) : 1;
  const program =
    objective === 'latency'
      ? latencyProgram(problem, { groupNeurons, ordered }, unit)
      : impactProgram(problem, { groupNeurons, ordered });
  const highs = await loadHighs();
  return highs.withModel({ format: 'lp', data: writeLinearProgram(program) }, (model) => {
    model.options.set({
      output_flag: false,
      mip_rel_gap: mipGap,
      mip_abs_gap: 0,
      ...(timeLimitMs === undefined ? {} : { time_limit: timeLimitMs / 1000 }),
    });
    model.run();
    return readAnswer(model, unit);
  });
}

/** HiGHS' codes: how a run ended, and whether it left a feasible point. */
const STATUS = { optimal: 7, infeasible: 8, timeLimit: 13, feasiblePoint: 2 };

function readAnswer(model: Model, unit: number): Answer {
  const status = Number(model.getModelStatus());
  if (status === STATUS.infeasible) {
    const reason = 'no assignment of groups of neurons keeps the budgets';
    const details = { tier: 'cpu', requiredBytes: 0, availableBytes: 0, reason } as const;
    throw new PipelineError('PLACEMENT_INFEASIBLE', `The model does not fit: ${reason}.`, details);
  }
  const hasPoint = Number(model.info.get('primal_solution_status')) === STATUS.feasiblePoint;
  if (!hasPoint || (status !== STATUS.optimal && status !== STATUS.timeLimit)) {
    const reason = `HiGHS ended with status ${status} and no placement`;
    throw new PipelineError('INTERNAL', `${reason}. Give it more time, or larger groups.`, {
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

function toChoice(
  problem: PlacementProblem,
  objective: 'latency' | 'impact',
  size: number,
  { isSet }: Answer,
): PlacementChoice {
  const count = (tier: Tier, index: number) =>
    groupsOf(problem.layers[index] as PlacementProblem['layers'][number], size).reduce(
      (sum, { neurons }, group) => sum + (isSet(groupVariable(tier, index, group)) ? neurons : 0),
      0,
    );
  const gpu = problem.layers.map((_, index) => count('gpu', index));
  if (objective === 'impact') {
    const { dense, head, left } = placeDense(problem, 'gpu-first');
    return { dense, head, gpu, cpu: fillMemory(problem.layers, gpu, left.cpu) };
  }
  const cpu = problem.layers.map((_, index) => count('cpu', index));
  const dense = problem.layers.map((_, index) => denseTier(isSet, index));
  return { dense, head: denseTier(isSet, 'head'), gpu, cpu };
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

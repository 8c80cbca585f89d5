import { isPipelineError, PipelineError } from '@thermocline/contracts';
import { buildProblem, type ProblemInput, type ProblemSetup } from './build-problem.js';
import { solveWithHighs } from './highs.js';
import type { PlacementProblem, ProblemSolution } from './problem.js';
import type { Settings } from './settings.js';
import { solveImpact } from './solve-impact.js';
import { solveLatency } from './solve-latency.js';

/** A problem and its answer. */
export interface SolvedProblem {
  setup: ProblemSetup;
  solution: ProblemSolution;
}

/**
 * Builds the problem and solves it. Flash is used only where memory does not suffice: it is slower
 * than either, and reading from it takes memory.
 *
 * @throws PipelineError `PLACEMENT_INFEASIBLE` with the numbers
 */
export async function solveProblem(input: ProblemInput): Promise<SolvedProblem> {
  const { hardware } = input;
  const inMemory = buildProblem(input, false);
  if (hardware.tiers.flash === undefined) return solveSetup(inMemory);
  if (fitsInMemory(inMemory)) {
    try {
      return await solveSetup(inMemory);
    } catch (error) {
      if (!isPipelineError(error, 'PLACEMENT_INFEASIBLE')) throw error;
    }
  }
  return solveSetup(buildProblem(input, true));
}

async function solveSetup(setup: ProblemSetup): Promise<SolvedProblem> {
  requireFixed(setup);
  return { setup, solution: await solve(setup.problem, setup.settings) };
}

async function solve(problem: PlacementProblem, settings: Settings): Promise<ProblemSolution> {
  const { objective, method, timeLimitMs } = settings;
  const limit = timeLimitMs === undefined ? {} : { timeLimitMs };
  if (method === 'highs') return solveWithHighs(problem, { objective, ...limit });
  return objective === 'impact' ? solveImpact(problem, limit) : solveLatency(problem, limit);
}

/** Whether the bytes of everything are no more than the GPU's and the memory's budgets together. */
function fitsInMemory({ problem }: ProblemSetup): boolean {
  const { gpu, cpu } = problem.budgetBytes;
  let bytes = problem.head.bytes;
  for (const { dense, firing, neuronBytes } of problem.layers) {
    bytes += dense.bytes + (firing.length - 1) * neuronBytes;
  }
  return bytes <= gpu + cpu;
}

function requireFixed({ fixedBytes, settings, hardware }: ProblemSetup): void {
  const [requiredBytes, availableBytes] = [fixedBytes.cpu, settings.budgetBytes.cpu];
  if (requiredBytes <= availableBytes) return;
  const reason = `embeddings, working memory and slots for flash reads take ${requiredBytes} bytes of memory; the budget on ${hardware.name} is ${availableBytes}`;
  const details = { tier: 'cpu', requiredBytes, availableBytes, reason } as const;
  throw new PipelineError('PLACEMENT_INFEASIBLE', `The plan is impossible: ${reason}.`, details);
}

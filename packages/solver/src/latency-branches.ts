import type { FiringCurve } from './firing-curve.js';
import {
  type DualPoint,
  type DualScope,
  type DualSearch,
  dualAt,
  maximiseDual,
} from './latency-dual.js';
import type { DenseTier, PlacementProblem } from './problem.js';

/** A part of all choices, with the best prices for it. */
export interface Branch {
  scope: DualScope & { head: DenseTier };
  point: DualPoint;
}

/** How branches are searched. */
export interface BranchSearch extends DualSearch {
  /** The value of a choice that is known, or Infinity. */
  known: number;
  /** Finds a choice in a branch; its value, or Infinity. */
  solve: (branch: Branch) => number;
  /** `performance.now()` at which no further branch is opened. */
  deadline: number;
}

/** Values this close count as equal, relative. */
const CLOSE = 1e-6;
/** A proof is refined where it leaves more than this. */
const REFINE = 1e-5;

/**
 * Dense parts are large and move as a whole; prices alone would cut one in two, and the bound of such
 * a half-placed part is lower than what any choice reaches. So all choices are dealt out to branches:
 * the head on the GPU or not, and at most k or at least k + 1 dense parts there, where the best
 * prices want k and a fraction. The branch with the least bound is looked into first; one whose
 * bound is no better than a known choice is left closed.
 *
 * @returns branches that hold all choices between them
 */
export function branchLatency(problem: PlacementProblem, search: BranchSearch): Branch[] {
  const relax = (scope: Branch['scope'], guess = search.guess): Branch => ({
    scope,
    point: maximiseDual(problem, { ...search, guess, scope }),
  });
  const open = (['gpu', 'cpu'] as const)
    .filter((head) => hasRoom(problem, head, 0))
    .map((head) => relax({ head }));
  const leaves: Branch[] = [];
  let best = search.known;
  while (open.length > 0) {
    open.sort((a, b) => b.point.value - a.point.value);
    const branch = open.pop() as Branch;
    const { head } = branch.scope;
    const whole = Math.floor(branch.point.denseOnGpu + 1e-9);
    const closed = branch.point.value >= best * (1 - CLOSE) || performance.now() > search.deadline;
    if (closed || branch.point.denseOnGpu - whole < 1e-9) {
      leaves.push(branch);
      if (!closed || best === Number.POSITIVE_INFINITY) best = Math.min(best, search.solve(branch));
      continue;
    }
    const { prices } = branch.point;
    const [least, most] = branch.scope.denseOnGpu ?? [0, problem.layers.length];
    open.push(relax({ head, denseOnGpu: [least, whole] }, prices));
    if (hasRoom(problem, head, whole + 1))
      open.push(relax({ head, denseOnGpu: [whole + 1, most] }, prices));
  }
  return leaves;
}

/** Whether the GPU can hold that many dense parts beside the head, or memory the head. */
function hasRoom({ layers, head, budgetBytes }: PlacementProblem, at: DenseTier, count: number) {
  if (head.seconds[at] === null || head.bytes > budgetBytes[at]) return false;
  const sizes = layers
    .filter(({ dense }) => dense.seconds.gpu !== null)
    .map(({ dense }) => dense.bytes)
    .sort((a, b) => a - b);
  if (sizes.length < count) return false;
  const least = sizes.slice(0, count).reduce((sum, bytes) => sum + bytes, 0);
  return least + (at === 'gpu' ? head.bytes : 0) <= budgetBytes.gpu;
}

/** What is known of a problem when its branches are done. */
export interface ProvenBound {
  bound: number;
  /** Of the branch that decides the bound. */
  prices: DualPoint['prices'];
}

/** How a bound is proven. */
export interface BoundProof {
  /** Every neuron by itself: a bound over anything coarser holds only for that. */
  full: readonly FiringCurve[];
  /** Of the choice that the bound is for. */
  value: number;
  /** For better prices, on curves that need not be full. */
  search: DualSearch;
}

/**
 * A lower bound for every choice, from branches that hold all choices between them: the least of the
 * Lagrange function at their prices, over single neurons. Where that leaves a gap to `value`, better
 * prices are sought. They need not be the best: the bound holds for any.
 */
export function proveBound(
  problem: PlacementProblem,
  branches: readonly Branch[],
  { full, value, search }: BoundProof,
): ProvenBound {
  let least: ProvenBound = { bound: Number.POSITIVE_INFINITY, prices: [0, 0, 0] };
  for (const { scope, point } of branches) {
    let proof = dualAt(problem, full, point.prices, scope);
    if (proof.value < value * (1 - REFINE)) {
      const { prices } = maximiseDual(problem, { ...search, guess: point.prices, scope });
      const refined = dualAt(problem, full, prices, scope);
      if (refined.value > proof.value) proof = refined;
    }
    if (proof.value < least.bound) least = { bound: proof.value, prices: proof.prices };
  }
  return least;
}

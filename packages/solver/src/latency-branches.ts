import type { FiringCurve } from './firing-curve.js';
import {
  type DualPoint,
  type DualScope,
  type DualSearch,
  dualAt,
  maximiseDual,
} from './latency-dual.js';
import type { PlacementProblem } from './problem.js';

/** A part of all choices, with the best prices for it. */
export interface Branch {
  scope: DualScope;
  point: DualPoint;
}

/**
 * Dense parts are large and move as a whole; prices alone would cut one in two, and the bound of such
 * a half-placed part is lower than what any choice reaches. So all choices are dealt out to branches:
 * the head on the GPU or not, and at most k or at least k + 1 dense parts there, where the best
 * prices want k and a fraction. The least of the branches' bounds holds for every choice.
 */
export function branchLatency(problem: PlacementProblem, search: DualSearch): Branch[] {
  const branches: Branch[] = [];
  const layers = problem.layers.length;
  let guess = search.guess;
  const solve = (scope: DualScope): Branch => {
    const point = maximiseDual(problem, { ...search, guess, scope });
    return { scope, point };
  };
  for (const head of ['gpu', 'cpu'] as const) {
    if (problem.head.seconds[head] === null) continue;
    const free = solve({ head });
    const count = free.point.denseOnGpu;
    const whole = Math.floor(count + 1e-9);
    if (count - whole < 1e-9) branches.push(free);
    else {
      guess = free.point.prices;
      branches.push(solve({ head, denseOnGpu: [0, whole] }));
      branches.push(solve({ head, denseOnGpu: [whole + 1, layers] }));
    }
  }
  return branches.sort((a, b) => a.point.value - b.point.value);
}

/** A lower bound for every choice, from the prices of branches that are all there are. */
export function boundOfBranches(
  problem: PlacementProblem,
  curves: readonly FiringCurve[],
  branches: readonly Branch[],
): number {
  return branches.reduce((least, { scope, point }) => {
    return Math.min(least, dualAt(problem, curves, point.prices, scope).value);
  }, Number.POSITIVE_INFINITY);
}

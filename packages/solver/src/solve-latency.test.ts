import { isPipelineError, TIERS, type Tier } from '@thermocline/contracts';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkChoice, evaluateChoice, usedBytes } from './evaluate-choice.js';
import type { DenseTier, PlacementProblem } from './problem.js';
import { solveLatency } from './solve-latency.js';
import { smallProblem, timesOf } from './testing/problems.js';

describe('solveLatency on problems small enough to try everything', () => {
  test('is the best of all choices', () => {
    fc.assert(
      fc.property(smallProblem({ layers: 3, neurons: 4 }), (problem) => {
        const best = bestChoice(problem);
        if (best === Number.POSITIVE_INFINITY) {
          expect(infeasible(problem)).toBe(true);
          return;
        }
        const { choice, value } = solveLatency(problem);
        expect(checkChoice(problem, choice)).toBeNull();
        expect(value).toBe(evaluateChoice(problem, choice).seconds);
        expect(Math.abs(value - best)).toBeLessThanOrEqual(1e-12 * best);
      }),
      { numRuns: 300 },
    );
  });

  test('its bound holds for every assignment of single neurons', () => {
    fc.assert(
      fc.property(smallProblem({ layers: 2, neurons: 4 }), (problem) => {
        if (infeasible(problem)) return;
        const { value, bound, gap } = solveLatency(problem);
        expect(bound).toBeLessThanOrEqual(bestAssignment(problem));
        expect(bound).toBeLessThanOrEqual(value);
        expect(gap).toBeCloseTo((value - bound) / (value || 1), 12);
      }),
      { numRuns: 300 },
    );
  });

  test('more of any budget never makes it worse', () => {
    const more = fc.record({
      tier: fc.constantFrom<Tier>(...TIERS),
      bytes: fc.integer({ min: 1, max: 300 }),
    });
    fc.assert(
      fc.property(smallProblem({ layers: 3, neurons: 5 }), more, (problem, { tier, bytes }) => {
        if (infeasible(problem)) return;
        const budgetBytes = { ...problem.budgetBytes };
        budgetBytes[tier] += bytes;
        const { value } = solveLatency({ ...problem, budgetBytes });
        expect(value).toBeLessThanOrEqual(solveLatency(problem).value * (1 + 1e-12));
      }),
      { numRuns: 200 },
    );
  });
});

/** The least time over all dense tiers and pairs of borders; Infinity if no choice fits. */
function bestChoice(problem: PlacementProblem): number {
  const { layers, head, budgetBytes } = problem;
  const dense: DenseTier[] = [];
  const [gpu, cpu]: [number[], number[]] = [[], []];
  let best = Number.POSITIVE_INFINITY;
  const visit = (index: number): void => {
    if (index === layers.length) {
      for (const at of ['gpu', 'cpu'] as const) {
        const choice = { dense, head: at, gpu, cpu };
        const used = usedBytes(problem, choice);
        if (TIERS.some((tier) => used[tier] > budgetBytes[tier])) continue;
        if (head.seconds[at] !== null)
          best = Math.min(best, evaluateChoice(problem, choice).seconds);
      }
      return;
    }
    const neurons = (layers[index]?.firing.length as number) - 1;
    for (const tier of ['gpu', 'cpu'] as const)
      for (let g = 0; g <= neurons; g++)
        for (let c = 0; c <= neurons - g; c++) {
          [dense[index], gpu[index], cpu[index]] = [tier, g, c];
          visit(index + 1);
        }
  };
  visit(0);
  return best;
}

/** The least time over every assignment of every neuron. */
function bestAssignment(problem: PlacementProblem): number {
  const { layers, head, budgetBytes } = problem;
  let best = Number.POSITIVE_INFINITY;
  const visit = (index: number, seconds: number, left: Record<Tier, number>): void => {
    if (seconds >= best || TIERS.some((tier) => left[tier] < 0)) return;
    const layer = layers[index];
    if (layer === undefined) {
      for (const at of ['gpu', 'cpu'] as const) {
        const time = head.seconds[at];
        if (time !== null && head.bytes <= left[at]) best = Math.min(best, seconds + time);
      }
      return;
    }
    for (const { seconds: own, bytes } of timesOf(layer)) {
      const { gpu, cpu, flash } = bytes;
      const rest = { gpu: left.gpu - gpu, cpu: left.cpu - cpu, flash: left.flash - flash };
      visit(index + 1, seconds + own, rest);
    }
  };
  visit(0, 0, budgetBytes);
  return best;
}

function infeasible(problem: PlacementProblem): boolean {
  try {
    solveLatency(problem);
    return false;
  } catch (error) {
    if (isPipelineError(error, 'PLACEMENT_INFEASIBLE')) return true;
    throw error;
  }
}

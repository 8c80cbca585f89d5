import { isPipelineError, TIERS, type Tier } from '@thermocline/contracts';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkChoice, evaluateChoice, usedBytes } from './evaluate-choice.js';
import type { DenseTier, PlacementProblem } from './problem.js';
import { solveLatency } from './solve-latency.js';
import { exactProblem, firingSums, smallProblem, timesOf } from './testing/problems.js';
import { skewedProblem } from './testing/skewed-problem.js';

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

test('budgets that are nearly exact are kept', () => {
  let missed = 0;
  for (let seed = 1; seed <= 16; seed++) {
    const { problem, known } = exactProblem(seed);
    expect(checkChoice(problem, known)).toBeNull();
    try {
      const { choice, bound } = solveLatency(problem);
      expect(checkChoice(problem, choice)).toBeNull();
      expect(bound).toBeLessThanOrEqual(evaluateChoice(problem, known).seconds * (1 + 1e-12));
    } catch (error) {
      if (!isPipelineError(error, 'PLACEMENT_INFEASIBLE')) throw error;
      const { requiredBytes, availableBytes, reason } = error.details;
      expect(reason).toMatch(/no placement was found/);
      expect(requiredBytes).toBeGreaterThan(availableBytes);
      missed++;
    }
  }
  expect(missed).toBeLessThanOrEqual(0);
});

describe('solveLatency', () => {
  const seconds = (gpu: number | null, cpu: number) => ({ gpu, cpu });
  const rate = (perFiring: number) => ({ perNeuron: 0, perFiring });

  test('splits a layer so that both sides take as long', () => {
    // Ten neurons that always fire. The GPU is four times as fast: 8 · 1 s beside 2 · 4 s.
    const problem: PlacementProblem = {
      layers: [
        {
          firing: firingSums(new Array<number>(10).fill(1)),
          neuronBytes: 1,
          rates: { gpu: rate(1), cpu: rate(4), flash: null },
          dense: { bytes: 1, seconds: seconds(1, 4) },
          syncSeconds: 0.5,
        },
      ],
      head: { bytes: 1, seconds: seconds(1, 4) },
      budgetBytes: { gpu: 100, cpu: 100, flash: 0 },
    };
    const { choice, value, bound, gap } = solveLatency(problem);
    expect(choice).toEqual({ dense: ['gpu'], head: 'gpu', gpu: [8], cpu: [2] });
    expect(value).toBe(1 + 8 + 0.5 + 1);
    expect(gap).toBeLessThan(1e-9);
    expect(bound).toBeLessThanOrEqual(value);
    // A synchronisation that costs more than the 2 s it saves: all on the GPU.
    const [layer] = problem.layers as [PlacementProblem['layers'][number]];
    const slow = solveLatency({ ...problem, layers: [{ ...layer, syncSeconds: 3 }] });
    expect(slow.choice.gpu).toEqual([10]);
    expect(slow.value).toBe(1 + 10 + 1);
  });

  test('without a GPU the coldest go to flash, and memory has a price', () => {
    const rates = [1, 0.5, 0.25, 0.125, 0];
    const problem: PlacementProblem = {
      layers: [
        {
          firing: firingSums(rates),
          neuronBytes: 2,
          rates: { gpu: null, cpu: rate(1), flash: rate(100) },
          dense: { bytes: 1, seconds: seconds(null, 1) },
          syncSeconds: 0,
        },
      ],
      head: { bytes: 1, seconds: seconds(null, 1) },
      // For both dense parts and three neurons.
      budgetBytes: { gpu: 0, cpu: 8, flash: 100 },
    };
    const { choice, value, shadowPrices } = solveLatency(problem);
    expect(choice).toEqual({ dense: ['cpu'], head: 'cpu', gpu: [0], cpu: [3] });
    expect(value).toBe(1 + 12.5 + 1);
    expect(shadowPrices.gpu).toBe(0);
    expect(shadowPrices.cpu).toBeGreaterThan(0);
  });

  test('says what is missing when the model does not fit', () => {
    const problem = skewedProblem({
      layers: 2,
      neurons: 8,
      seed: 1,
      budgets: { gpu: 0.2, cpu: 0.3 },
    });
    const { gpu, cpu } = problem.budgetBytes;
    const all = 2 * 8 * 4096 + 3 * 4096;
    expect(() => solveLatency(problem)).toThrow(
      expect.objectContaining({
        code: 'PLACEMENT_INFEASIBLE',
        details: expect.objectContaining({
          tier: 'cpu',
          requiredBytes: all - gpu,
          availableBytes: cpu,
        }),
      }),
    );
  });

  test.each([
    ['memory and flash both short', { gpu: 0.1, cpu: 0.4, flash: 2 }],
    ['all in memory', { gpu: 0.15, cpu: 1 }],
    ['just room for it', { gpu: 0.2, cpu: 0.81 }],
    ['room to spare', { gpu: 1.5, cpu: 1.5 }],
    ['hardly a GPU', { gpu: 0.001, cpu: 0.9, flash: 1 }],
  ])('12 layers of 8,192 neurons, %s: near the bound and in time', (_, budgets) => {
    const problem = skewedProblem({ layers: 12, neurons: 8192, seed: 3, budgets });
    const begin = performance.now();
    const { choice, gap } = solveLatency(problem);
    // Some 20 ms on an idle machine.
    expect(performance.now() - begin).toBeLessThan(3_000);
    expect(checkChoice(problem, choice)).toBeNull();
    expect(gap).toBeLessThan(1e-3);
  });

  test('a time limit gives a plan that holds', () => {
    const budgets = { gpu: 0.1, cpu: 0.4, flash: 2 };
    const problem = skewedProblem({ layers: 12, neurons: 2048, seed: 4, budgets });
    const { choice, value, bound } = solveLatency(problem, { timeLimitMs: 0 });
    expect(checkChoice(problem, choice)).toBeNull();
    expect(bound).toBeLessThanOrEqual(value);
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

import { describe, expect, test } from 'vitest';
import { checkChoice, evaluateChoice } from './evaluate-choice.js';
import { solveFreely, solveWithHighs } from './highs.js';
import type { LayerProblem, ProblemSolution } from './problem.js';
import { solveImpact } from './solve-impact.js';
import { solveLatency } from './solve-latency.js';
import { firingSums } from './testing/problems.js';
import { type SkewedShape, skewedProblem } from './testing/skewed-problem.js';

const NEAR = 1e-4;
const limits = { timeLimitMs: 15_000, mipGap: 5e-5 };

const SHAPES: SkewedShape[] = [
  { layers: 6, neurons: 64, seed: 1, budgets: { gpu: 0.25, cpu: 0.9 } },
  { layers: 6, neurons: 64, seed: 3, budgets: { gpu: 0.15, cpu: 0.5, flash: 2 } },
  { layers: 12, neurons: 128, seed: 4, budgets: { gpu: 0.3, cpu: 0.8 } },
];

describe.each(SHAPES)('$layers layers of $neurons neurons', (shape) => {
  const problem = skewedProblem(shape);

  test('latency is within 0.01 % of HiGHS', async () => {
    const own = solveLatency(problem);
    const options = { objective: 'latency', groupNeurons: 1, ...limits } as const;
    const highs = await solveWithHighs(problem, options);
    expect(checkChoice(problem, highs.choice)).toBeNull();
    expect(evaluateChoice(problem, highs.choice).seconds).toBe(highs.value);
    expect(own.value).toBeLessThanOrEqual(highs.value * (1 + NEAR));
    // HiGHS proves that no ordered choice is better, to its own tolerance.
    expect(own.value).toBeGreaterThanOrEqual(highs.bound * (1 - 1e-6));
  });

  test('the bound holds for any assignment of neurons, in order or not', async () => {
    const { bound } = solveLatency(problem);
    const options = { objective: 'latency', groupNeurons: 1, ...limits } as const;
    const { value } = await solveFreely(problem, options);
    expect(bound).toBeLessThanOrEqual(value * (1 + 1e-6));
  });

  test('impact is within 0.01 % of HiGHS', async () => {
    const own = solveImpact(problem, { groupNeurons: 2 });
    const options = { objective: 'impact', groupNeurons: 2, ...limits } as const;
    const highs = await solveWithHighs(problem, options);
    const free = await solveFreely(problem, options);
    expect(checkChoice(problem, highs.choice)).toBeNull();
    expect(own.value).toBeGreaterThanOrEqual(highs.value * (1 - NEAR));
    expect(own.bound).toBeGreaterThanOrEqual(free.value * (1 - 1e-6));
  });
});

test('HiGHS says when nothing fits', async () => {
  const problem = skewedProblem({
    layers: 2,
    neurons: 8,
    seed: 5,
    budgets: { gpu: 0.2, cpu: 0.2 },
  });
  await expect(solveWithHighs(problem, { objective: 'latency' })).rejects.toMatchObject({
    code: 'PLACEMENT_INFEASIBLE',
  });
});

test('HiGHS out of time says to raise the limit, or gives what it found', async () => {
  const problem = skewedProblem({
    layers: 12,
    neurons: 512,
    seed: 4,
    budgets: { gpu: 0.3, cpu: 0.8 },
  });
  const options = { objective: 'latency', groupNeurons: 1, timeLimitMs: 1 } as const;
  const answer = await solveWithHighs(problem, options).catch((error: unknown) => error);
  if (answer instanceof Error) {
    expect(answer).toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { argument: 'timeLimitMs' },
    });
    expect(answer.message).toMatch(/within 1 ms; raise the limit/);
  } else expect((answer as ProblemSolution).gap).toBeGreaterThan(0);
});

test('HiGHS keeps the budget of flash where memory holds no part of a neuron', async () => {
  const rates = {
    gpu: { perNeuron: 0, perFiring: 0.1 },
    cpu: { perNeuron: 0, perFiring: 1 },
    flash: { perNeuron: 0, perFiring: 20 },
  };
  const none = { bytes: 0, seconds: { gpu: 0, cpu: 0 } };
  const layer = (firings: number[], neuronBytes: number): LayerProblem => ({
    firing: firingSums(firings),
    neuronBytes,
    rates,
    dense: none,
    syncSeconds: 0,
  });
  // With the small hot one on the GPU, memory and flash hold the others' bytes, but not them.
  const layers = [layer([0.1, 0.1, 0.1, 0.1, 0.1], 10), layer([1], 5)];
  const problem = { layers, head: none, budgetBytes: { gpu: 14, cpu: 25, flash: 25 } };
  const { choice } = await solveWithHighs(problem, { objective: 'impact', groupNeurons: 1 });
  expect(checkChoice(problem, choice)).toBeNull();
  expect(choice.gpu).toEqual([1, 0]);
});

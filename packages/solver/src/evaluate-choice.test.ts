import { expect, test } from 'vitest';
import { checkChoice, evaluateChoice } from './evaluate-choice.js';
import type { PlacementProblem } from './problem.js';

const problem: PlacementProblem = {
  layers: [
    {
      firing: Float64Array.of(0, 0.5, 0.9, 1, 1),
      neuronBytes: 10,
      rates: {
        gpu: { perNeuron: 0, perFiring: 1 },
        cpu: { perNeuron: 1, perFiring: 10 },
        flash: { perNeuron: 0, perFiring: 100 },
      },
      dense: { bytes: 7, seconds: { gpu: 2, cpu: 20 } },
      syncSeconds: 0.25,
    },
  ],
  head: { bytes: 3, seconds: { gpu: 0.5, cpu: 5 } },
  budgetBytes: { gpu: 20, cpu: 20, flash: 20 },
};

test('a layer takes its dense part, its slowest tier and the synchronisation', () => {
  const cost = evaluateChoice(problem, { dense: ['gpu'], head: 'cpu', gpu: [1], cpu: [1] });
  // memory: one neuron that fires 0.4 times; flash: two that fire 0.1 times together.
  expect(cost.layers[0]).toMatchObject({ dense: 2, gpu: 0.5, cpu: 1 + 0.4 * 10, sync: 0.25 });
  expect(cost.layers[0]?.flash).toBeCloseTo(0.1 * 100, 12);
  expect(cost.seconds).toBeCloseTo(2 + 10 + 0.25 + 5, 12);
  expect(cost.usedBytes).toEqual({ gpu: 17, cpu: 13, flash: 20 });
});

test.each([
  ['gpu', 4, 0],
  ['gpu', 3, 0.25],
  ['gpu', 0, 0.25],
  ['cpu', 0, 0],
  ['cpu', 1, 0.25],
] as const)('dense part on %s, %i of 4 neurons on the GPU: %s s', (dense, gpu, sync) => {
  const choice = { dense: [dense], head: 'gpu' as const, gpu: [gpu], cpu: [0] };
  expect(evaluateChoice(problem, choice).layers[0]?.sync).toBe(sync);
});

test.each([
  ['fits to the byte', { dense: 'gpu', head: 'gpu', gpu: 1, cpu: 2 }, null],
  ['two dense parts too many', { dense: 'gpu', head: 'gpu', gpu: 2, cpu: 1 }, /30 bytes on gpu/],
  ['memory', { dense: 'gpu', head: 'cpu', gpu: 1, cpu: 2 }, /23 bytes on cpu, where 20/],
  ['flash', { dense: 'gpu', head: 'gpu', gpu: 1, cpu: 0 }, /30 bytes on flash/],
  [
    'more than there are',
    { dense: 'gpu', head: 'gpu', gpu: 2, cpu: 3 },
    /-1 of 4 neurons on flash/,
  ],
  ['parts of neurons', { dense: 'gpu', head: 'gpu', gpu: 0.5, cpu: 2 }, /0.5 of 4 neurons on gpu/],
  ['fewer than none', { dense: 'gpu', head: 'gpu', gpu: -1, cpu: 2 }, /-1 of 4 neurons on gpu/],
] as const)('checks: %s', (_, { dense, head, gpu, cpu }, fault) => {
  const found = checkChoice(
    { ...problem, budgetBytes: { gpu: 20, cpu: 20, flash: 20 } },
    { dense: [dense], head, gpu: [gpu], cpu: [cpu] },
  );
  if (fault === null) expect(found).toBeNull();
  else expect(found).toMatch(fault);
});

test('work on a tier that is missing is found', () => {
  const [layer] = problem.layers as [PlacementProblem['layers'][number]];
  const without = {
    ...problem,
    layers: [{ ...layer, rates: { ...layer.rates, gpu: null } }],
  };
  const choice = { dense: ['cpu' as const], head: 'cpu' as const, gpu: [1], cpu: [1] };
  expect(checkChoice(without, choice)).toMatch(/layer 0: neurons on a missing gpu/);
  expect(evaluateChoice(without, choice).seconds).toBe(Number.POSITIVE_INFINITY);
});

import { isPipelineError } from '@thermocline/contracts';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkChoice, usedBytes } from './evaluate-choice.js';
import { leastNeurons } from './least-neurons.js';
import type { LayerProblem, PlacementProblem } from './problem.js';
import { solveImpact } from './solve-impact.js';
import { firingSums } from './testing/problems.js';
import { skewedProblem } from './testing/skewed-problem.js';

/** One byte per neuron, ten times as fast on the GPU; 2 seconds to synchronise. */
function layer(rates: readonly number[], fields: Partial<LayerProblem> = {}): LayerProblem {
  return {
    firing: firingSums(rates),
    neuronBytes: 1,
    rates: {
      gpu: { perNeuron: 0, perFiring: 0.1 },
      cpu: { perNeuron: 0, perFiring: 1 },
      flash: null,
    },
    dense: { bytes: 0, seconds: { gpu: 0, cpu: 0 } },
    syncSeconds: 0,
    ...fields,
  };
}

function problem(layers: LayerProblem[], gpu: number, cpu = 1000, flash = 0): PlacementProblem {
  const head = { bytes: 0, seconds: { gpu: 0, cpu: 0 } };
  return { layers, head, budgetBytes: { gpu, cpu, flash } };
}

test('the hottest neurons of all layers go to the GPU', () => {
  const layers = [layer([0.9, 0.5, 0.1]), layer([0.8, 0.7, 0.6])];
  const { choice, value, gap } = solveImpact(problem(layers, 4), { groupNeurons: 1 });
  // 0.9 + 0.8 + 0.7 + 0.6
  expect(choice.gpu).toEqual([1, 3]);
  expect(value).toBeCloseTo(3, 12);
  expect(gap).toBe(0);
});

test('a layer on the GPU has as many neurons as make up for the synchronisation', () => {
  // 2 s ÷ (1 − 0.1) s = 2.2 neurons: three or none.
  const slow = { syncSeconds: 2 };
  const layers = [layer([1, 0.1, 0.1, 0], slow), layer([0.5, 0.5, 0.5, 0], slow)];
  expect(leastNeurons(layers[0] as LayerProblem, 'always-active')).toBeCloseTo(2 / 0.9, 12);
  const { choice } = solveImpact(problem(layers, 3), { groupNeurons: 1 });
  expect(choice.gpu).toEqual([0, 3]);
  const { choice: both } = solveImpact(problem(layers, 6), { groupNeurons: 1 });
  expect(both.gpu).toEqual([3, 3]);
});

test('a synchronisation is made up for by neurons that fire, if asked', () => {
  // Savings of the hottest: 0.9, 1.35, 1.8, 2.25.
  const one = layer([1, 0.5, 0.5, 0.5], { syncSeconds: 2 });
  expect(leastNeurons(one, 'expected')).toBe(4);
  expect(leastNeurons({ ...one, syncSeconds: 3 }, 'expected')).toBe(Number.POSITIVE_INFINITY);
});

test('a GPU that is slower than memory gets nothing', () => {
  const rates = {
    gpu: { perNeuron: 0, perFiring: 2 },
    cpu: { perNeuron: 0, perFiring: 1 },
    flash: null,
  };
  const { choice, value } = solveImpact(problem([layer([1, 1], { rates })], 5));
  expect(choice.gpu).toEqual([0]);
  expect(value).toBe(0);
});

test('the last group of a layer counts as the neurons it has', () => {
  const layers = [layer(new Array<number>(70).fill(0.5))];
  expect(solveImpact(problem(layers, 70)).choice.gpu).toEqual([70]);
  expect(solveImpact(problem(layers, 69)).choice.gpu).toEqual([64]);
});

test('the rest goes to memory hottest first, then to flash', () => {
  const flash = { perNeuron: 0, perFiring: 20 };
  const rates = { ...layer([]).rates, flash };
  const layers = [layer([0.9, 0.5, 0.1], { rates }), layer([0.8, 0.7, 0.6], { rates })];
  const { choice } = solveImpact(problem(layers, 2, 2, 10), { groupNeurons: 1 });
  expect(choice.gpu).toEqual([1, 1]);
  expect(choice.cpu).toEqual([0, 2]);
});

test('dense parts come first, if asked', () => {
  const dense = { bytes: 2, seconds: { gpu: 1, cpu: 2 } };
  const layers = [layer([1, 1], { dense }), layer([1, 1], { dense })];
  const first = solveImpact(problem(layers, 3), { groupNeurons: 1 });
  expect(first.choice.dense).toEqual(['gpu', 'cpu']);
  expect(first.value).toBe(1);
  const last = solveImpact(problem(layers, 3), { groupNeurons: 1, dense: 'cpu' });
  expect(last.choice.dense).toEqual(['cpu', 'cpu']);
  expect(last.value).toBe(3);
});

test.each([
  [20e-6, 50.1],
  [50e-6, 125.3],
])('OPT-30B in F16 with a synchronisation of %s s: C_l = %s neurons', (syncSeconds, neurons) => {
  // 2 rows of 7,168 halves each: 28.7 KB, at 1 TB/s and 67.2 GB/s.
  const bytes = 2 * 7168 * 2;
  const rates = {
    gpu: { perNeuron: 0, perFiring: bytes / 1e12 },
    cpu: { perNeuron: 0, perFiring: bytes / 67.2e9 },
    flash: null,
  };
  const one = layer([1], { rates, syncSeconds });
  expect(leastNeurons(one, 'always-active')).toBeCloseTo(neurons, 0);
});

describe('on small problems', () => {
  const small = fc.record({
    layers: fc.array(
      fc.record({
        rates: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 7 }),
        neuronBytes: fc.integer({ min: 1, max: 3 }),
        syncSeconds: fc.constantFrom(0, 1, 2, 5),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    gpu: fc.integer({ min: 0, max: 30 }),
    cpu: fc.integer({ min: 0, max: 60 }),
    size: fc.integer({ min: 1, max: 3 }),
  });

  test('is the best choice of groups, and the bound holds for all of them', () => {
    fc.assert(
      fc.property(small, ({ layers: shapes, gpu, cpu, size }) => {
        const layers = shapes.map(({ rates, ...fields }) =>
          layer(
            rates.map((rate) => rate / 20),
            fields,
          ),
        );
        const given = problem(layers, gpu, cpu);
        const { ordered, any } = bestImpact(given, size);
        if (ordered === null) {
          expect(() => solveImpact(given, { groupNeurons: size })).toThrow(/does not fit/);
          return;
        }
        const { choice, value, bound } = solveImpact(given, { groupNeurons: size });
        expect(checkChoice(given, choice)).toBeNull();
        expect(usedBytes(given, choice).gpu).toBeLessThanOrEqual(gpu);
        expect(value).toBeCloseTo(ordered, 12);
        expect(bound).toBeGreaterThanOrEqual((any as number) - 1e-12);
      }),
      { numRuns: 300 },
    );
  });
});

describe('with little flash', () => {
  const tight = fc.record({
    layers: fc.array(
      fc.record({
        rates: fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 2, maxLength: 9 }),
        neuronBytes: fc.integer({ min: 1, max: 12 }).map((size) => 10 * size),
      }),
      { minLength: 1, maxLength: 3 },
    ),
    // Of all neurons' bytes.
    gpu: fc.integer({ min: 0, max: 60 }),
    flash: fc.integer({ min: 0, max: 60 }),
    more: fc.integer({ min: 0, max: 40 }),
    size: fc.integer({ min: 1, max: 4 }),
  });

  test('every budget is kept, to the byte', () => {
    fc.assert(
      fc.property(tight, ({ layers: shapes, gpu, flash, more, size }) => {
        const rates = { ...layer([]).rates, flash: { perNeuron: 0, perFiring: 20 } };
        const layers = shapes.map((shape) =>
          layer(
            shape.rates.map((rate) => rate / 20),
            { neuronBytes: shape.neuronBytes, rates },
          ),
        );
        const all = layers.reduce((sum, one) => sum + (one.firing.length - 1) * one.neuronBytes, 0);
        const part = (percent: number) => Math.round((all * percent) / 100);
        const cpu = Math.max(0, all - part(gpu) - part(flash)) + more;
        const given = problem(layers, part(gpu), cpu, part(flash));
        try {
          const { choice, value, bound } = solveImpact(given, { groupNeurons: size });
          expect(checkChoice(given, choice)).toBeNull();
          expect(bound).toBeGreaterThanOrEqual(value);
        } catch (error) {
          if (!isPipelineError(error, 'PLACEMENT_INFEASIBLE')) throw error;
          expect(error.details.requiredBytes).toBeGreaterThan(error.details.availableBytes);
        }
      }),
      { numRuns: 1000 },
    );
  });

  test('what memory cannot hold of a neuron is not counted on', () => {
    const rates = { ...layer([]).rates, flash: { perNeuron: 0, perFiring: 20 } };
    // Five neurons on memory and flash together, by bytes; four, whole.
    const given = problem([layer([0, 0, 0, 0, 0], { neuronBytes: 10, rates })], 10, 25, 25);
    expect(solveImpact(given, { groupNeurons: 1 }).choice).toMatchObject({ gpu: [1], cpu: [2] });
  });
});

test('out of time, what was found is the result, and its gap is told', () => {
  const given = skewedProblem({
    layers: 32,
    neurons: 4096,
    seed: 7,
    budgets: { gpu: 0.3, cpu: 0.8 },
  });
  const best = solveImpact(given);
  const { choice, value, bound, gap } = solveImpact(given, { timeLimitMs: 0 });
  expect(checkChoice(given, choice)).toBeNull();
  expect(value).toBeLessThanOrEqual(best.value * (1 + 1e-12));
  expect(value).toBeGreaterThan(best.value * 0.9);
  expect(bound).toBeGreaterThanOrEqual(best.value);
  expect(gap).toBeCloseTo((bound - value) / value, 12);
});

/** Most firings over all numbers of groups, and over all sets of groups; `null` if none fits. */
function bestImpact({ layers, budgetBytes }: PlacementProblem, size: number) {
  let ordered: number | null = null;
  let any: number | null = null;
  const visit = (index: number, firings: number, bytes: number, rest: number, first: boolean) => {
    const one = layers[index];
    if (bytes > budgetBytes.gpu || rest > budgetBytes.cpu) return;
    if (one === undefined) {
      any = Math.max(any ?? 0, firings);
      if (first) ordered = Math.max(ordered ?? 0, firings);
      return;
    }
    const all = one.firing.length - 1;
    const groups = Math.ceil(all / size);
    const least = leastNeurons(one, 'always-active');
    for (let set = 0; set < 2 ** groups; set++) {
      let [count, sum] = [0, 0];
      for (let group = 0; group < groups; group++) {
        if ((set & (1 << group)) === 0) continue;
        const [begin, end] = [group * size, Math.min(group * size + size, all)];
        count += end - begin;
        sum += (one.firing[end] as number) - (one.firing[begin] as number);
      }
      if (count > 0 && count < least) continue;
      const taken = count * one.neuronBytes;
      // A set of the first groups is a number one below a power of two.
      const isFirst = (set & (set + 1)) === 0;
      const left = (all - count) * one.neuronBytes;
      visit(index + 1, firings + sum, bytes + taken, rest + left, first && isFirst);
    }
  };
  visit(0, 0, 0, 0, true);
  return { ordered, any } as { ordered: number | null; any: number | null };
}

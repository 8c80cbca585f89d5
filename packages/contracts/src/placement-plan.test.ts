import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PlacementPlan, readPlacementPlan, writePlacementPlan } from './placement-plan.js';
import { artifactSuite } from './testing/artifact-suite.js';
import { planCodec } from './testing/codecs.js';
import { rewrite } from './testing/edit-artifact.js';
import { samplePlan } from './testing/sample-artifacts.js';

artifactSuite('placement plan', planCodec);

describe('placement plan', () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thermocline-plan-'));
    path = join(folder, 'plan');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  /** Writes layer 2, which has 18 neurons, with these values and says how reading them ends. */
  async function readLayerTwo(order: Uint32Array, tierEnd: Uint32Array): Promise<string> {
    await writePlacementPlan(path, samplePlan());
    await rewrite(path, ({ tensors }) => {
      for (const tensor of tensors) {
        if (tensor.name === 'layers.2.order') tensor.data = order;
        if (tensor.name === 'layers.2.tier_end') tensor.data = tierEnd;
      }
    });
    return readPlacementPlan(path).then(
      () => 'read',
      (error) => error.code,
    );
  }

  const identity = Uint32Array.from({ length: 18 }, (_, neuron) => neuron);

  it('accepts an order exactly when it is a permutation', async () => {
    const almost = fc
      .tuple(fc.shuffledSubarray([...identity], { minLength: 18 }), fc.nat(17), fc.nat(18))
      .map(([order, at, neuron]) => Uint32Array.from(order).fill(neuron, at, at + 1));
    await fc.assert(
      fc.asyncProperty(almost, async (order) => {
        const isPermutation = [...order].sort((a, b) => a - b).every((id, i) => id === i);
        const ends = Uint32Array.of(0, 18);
        expect(await readLayerTwo(order, ends)).toBe(isPermutation ? 'read' : 'ARTIFACT_CORRUPT');
      }),
      { numRuns: 60 },
    );
    expect(await readLayerTwo(identity.toReversed(), Uint32Array.of(3, 9))).toBe('read');
  });

  it('accepts tier ends exactly when they rise and stay in the layer', async () => {
    const end = fc.oneof(fc.nat(20), fc.constant(0xffff_ffff));
    await fc.assert(
      fc.asyncProperty(end, end, async (gpuEnd, cpuEnd) => {
        const expected = gpuEnd <= cpuEnd && cpuEnd <= 18 ? 'read' : 'ARTIFACT_CORRUPT';
        expect(await readLayerTwo(identity, Uint32Array.of(gpuEnd, cpuEnd))).toBe(expected);
      }),
      { numRuns: 60 },
    );
  });

  it.each<[string, (plan: PlacementPlan) => void]>([
    ['layers', (plan) => plan.layers.pop()],
    ['placed twice', (plan) => plan.layers[0]?.order.fill(1)],
    ['does not exist', (plan) => plan.layers[0]?.order.fill(99, 0, 1)],
    ['tiers end', (plan) => Object.assign(plan.layers[0] as object, { tierEnd: [2, 1] })],
    ['budget is', (plan) => Object.assign(plan.usedBytes as object, { cpu: 2 ** 50 })],
    ['kvCache', (plan) => plan.dense?.kvCache.pop()],
    ['secondsPerToken', (plan) => Object.assign(plan.predicted as object, { secondsPerToken: -1 })],
    [
      'cpu',
      (plan) =>
        Object.assign(plan, { budgetBytes: { gpu: 1, cpu: -1, flash: 1 }, usedBytes: undefined }),
    ],
  ])('does not write nonsense: %s', async (words, spoil) => {
    const plan = samplePlan();
    spoil(plan);
    await expect(writePlacementPlan(path, plan)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { reason: expect.stringContaining(words) },
    });
  });

  it('requires the budgets it was made for', async () => {
    await writePlacementPlan(path, samplePlan());
    await rewrite(path, ({ metadata }) => metadata.delete('budget_bytes'));
    await expect(readPlacementPlan(path)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
  });

  it('needs no more than order, tier ends and budgets', async () => {
    const { usedBytes, dense, predicted, solution, madeBy, ...least } = samplePlan();
    expect([usedBytes, dense, predicted, solution, madeBy]).not.toContain(undefined);
    await writePlacementPlan(path, least);
    expect(await readPlacementPlan(path)).toEqual(least);
  });
});

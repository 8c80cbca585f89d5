import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PlacementPlan, writePlacementPlan } from '@thermocline/contracts';
import { samplePlan } from '@thermocline/contracts/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadModel } from './index.js';

const RAM = 64 * 2 ** 20;

let folder: string;
let path: string;
let plan: PlacementPlan;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thermocline-plan-'));
  path = join(folder, 'plan.safetensors');
  await using model = await loadModel();
  const { model: shape, fingerprint } = model.info;
  plan = {
    fingerprint,
    model: shape,
    corpora: [],
    budgetBytes: { gpu: 0, cpu: RAM, flash: 0 },
    layers: shape.n_ff.map((neurons) => ({
      order: Uint32Array.from({ length: neurons }, (_, i) => neurons - 1 - i),
      tierEnd: [0, neurons] as const,
    })),
  };
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('a model with a plan', () => {
  it('takes a file or a plan, and its budget', async () => {
    await writePlacementPlan(path, plan);
    for (const given of [path, plan]) {
      await using model = await loadModel(undefined, { plan: given });
      const [cpu] = model.engine.memory();
      expect(cpu?.budgetBytes).toBe(RAM);
      const { result } = model.generate('Once upon a time', { maxTokens: 4 });
      expect((await result).tokens).toHaveLength(4);
    }
    await using same = await loadModel(undefined, { plan, ramBudgetBytes: RAM });
    expect(same.engine.memory()[0]?.budgetBytes).toBe(RAM);
  });

  it('needs no byte more than without', async () => {
    await using plain = await loadModel();
    const { plannedBytes: cpu } = plain.engine.memory()[0] as { plannedBytes: number };
    const tight = { ...plan, budgetBytes: { gpu: 0, cpu, flash: 0 } };
    await using model = await loadModel(undefined, { plan: tight });
    expect(model.engine.memory()[0]).toMatchObject({ budgetBytes: cpu, usedBytes: cpu });
    const less = { ...plan, budgetBytes: { gpu: 0, cpu: cpu - 1, flash: 0 } };
    const loading = loadModel(undefined, { plan: less });
    await expect(loading).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  });

  it.each([
    [{ ramBudgetBytes: RAM + 1 }, { tier: 'cpu', plannedBytes: RAM, foundBytes: RAM + 1 }],
    [{ vramBudgetBytes: 5 }, { tier: 'gpu', plannedBytes: 0, foundBytes: 5 }],
  ])('refuses a plan for another budget than %j', async (budget, details) => {
    await writePlacementPlan(path, plan);
    const loading = loadModel(undefined, { plan: path, ...budget });
    await expect(loading).rejects.toMatchObject({
      code: 'PLAN_BUDGET_MISMATCH',
      details: { path, ...details },
    });
  });

  it('refuses a plan for another model', async () => {
    await writePlacementPlan(path, samplePlan());
    for (const given of [path, samplePlan()]) {
      const loading = loadModel(undefined, { plan: given });
      await expect(loading).rejects.toMatchObject({ code: 'ARTIFACT_MODEL_MISMATCH' });
    }
  });

  it.each([
    ['gpu', [1, 1024]],
    ['flash', [0, 1023]],
  ] as const)('refuses neurons on %s, naming layer and remedy', async (tier, tierEnd) => {
    const layers = plan.layers.map((layer, i) => (i === 3 ? { ...layer, tierEnd } : layer));
    const loading = loadModel(undefined, { plan: { ...plan, layers } });
    await expect(loading).rejects.toMatchObject({
      code: 'PLAN_TIER_MISSING',
      details: { tier, layer: 3 },
      message: expect.stringMatching(new RegExp(`layer 3 on ${tier}.*--ram`)),
    });
  });

  it('refuses a plan that does not fit its own budget', async () => {
    const small = { ...plan, budgetBytes: { gpu: 0, cpu: 2 ** 20, flash: 0 } };
    const loading = loadModel(undefined, { plan: small });
    await expect(loading).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
  });
});

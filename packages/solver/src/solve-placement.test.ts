import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ActivationProfile,
  isPipelineError,
  type PlacementPlan,
  readPlacementPlan,
  SKETCH_HASHES,
  TIERS,
  writePlacementPlan,
} from '@thermocline/contracts';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { explainPlan } from './explain-plan.js';
import type { SolveOptions } from './options.js';
import { solvePlacement } from './solve-placement.js';
import { FLASH, GPU, machine, profileOf, shape } from './testing/shapes.js';

const folder = await mkdtemp(join(tmpdir(), 'thermocline-plan-'));
afterAll(() => rm(folder, { recursive: true }));

const hardware = machine({ gpu: GPU, flash: FLASH });
const profile = profileOf(shape());

/** Neurons of the whole plan by tier. */
function neuronsOf({ layers }: PlacementPlan): Record<string, number> {
  const sums = { gpu: 0, cpu: 0, flash: 0 };
  for (const { order, tierEnd } of layers) {
    sums.gpu += tierEnd[0];
    sums.cpu += tierEnd[1] - tierEnd[0];
    sums.flash += order.length - tierEnd[1];
  }
  return sums;
}

/** `null`, with the numbers checked, where attention and working memory alone are too much. */
async function solveIfPossible(
  activations: ActivationProfile,
  options: SolveOptions,
): Promise<PlacementPlan | null> {
  try {
    return await solvePlacement(activations, hardware, options);
  } catch (error) {
    if (!isPipelineError(error, 'PLACEMENT_INFEASIBLE')) throw error;
    const { tier, requiredBytes, availableBytes } = error.details;
    expect([tier, requiredBytes > availableBytes]).toEqual(['cpu', true]);
    return null;
  }
}

/** A profile whose sketches say that neurons of equal remainder fire together. */
function withSketches(base: ActivationProfile): ActivationProfile {
  const layers = base.layers.map((layer) => {
    const sketch = (_: unknown, i: number) =>
      1000 * (Math.floor(i / SKETCH_HASHES) % 7) + (i % SKETCH_HASHES);
    const length = layer.fires.length * SKETCH_HASHES;
    return { ...layer, coactivation: Uint32Array.from({ length }, sketch) };
  });
  return { ...base, layers };
}

describe('solvePlacement', () => {
  it('makes a plan that says everything, and that can be written and read', async () => {
    const plan = await solvePlacement(profile, hardware, { vramBudgetBytes: 8e6 });
    expect(plan).toMatchObject({
      fingerprint: profile.fingerprint,
      corpora: profile.corpora,
      budgetBytes: { gpu: 8e6, cpu: 60e6, flash: 1e9 },
      workload: { mode: 'exact', contextTokens: 512, kvType: 'f16' },
      solution: { objective: 'latency' },
      madeBy: {
        tool: '@thermocline/solver',
        options: { hardware: 'test-machine', objective: 'latency', vram_budget_bytes: 8e6 },
      },
    });
    const { secondsPerToken, parts } = plan.predicted ?? { secondsPerToken: 0, parts: [] };
    const sum = parts.reduce((total, { seconds }) => total + seconds, 0);
    expect(sum).toBeCloseTo(secondsPerToken, 15);
    expect(secondsPerToken).toBeCloseTo(plan.solution?.value ?? 0, 12);
    expect(plan.solution?.gap).toBeLessThan(0.01);
    const path = join(folder, 'a.plan.safetensors');
    await writePlacementPlan(path, plan);
    const read = await readPlacementPlan(path, { fingerprint: profile.fingerprint });
    expect(read).toEqual(plan);
  });

  it('keeps every budget to the byte, whatever is asked', async () => {
    const types = fc.constantFrom('F16', 'F32', 'Q8_0', 'Q4_0');
    const asked = fc.record({
      objective: fc.constantFrom('latency' as const, 'impact' as const),
      mode: fc.constantFrom('dense' as const, 'exact' as const, 'predicted' as const),
      vramBudgetBytes: fc.integer({ min: 0, max: 4e6 }),
      ramBudgetBytes: fc.integer({ min: 5e6, max: 8e6 }),
      contextTokens: fc.integer({ min: 1, max: 512 }),
      kvType: fc.constantFrom('f16' as const, 'f32' as const),
    });
    await fc.assert(
      fc.asyncProperty(asked, types, fc.boolean(), async (options, ffn, tied) => {
        const fields = { n_ff: [96, 65, 80, 33], d_model: 160, vocab: 1024, tied };
        const model = shape({ ...fields, weight_types: { ...shape().weight_types, ffn } });
        const predictorBytes = [1000, 2000, 3000, 4000];
        const layers = profileOf(model, 3);
        const plan = await solveIfPossible(layers, { ...options, predictorBytes });
        if (plan === null) return;
        await writePlacementPlan(join(folder, 'any.plan.safetensors'), plan);
        const { tiers } = await explainPlan(plan, layers, hardware, { predictorBytes });
        for (const tier of TIERS) {
          const used = plan.usedBytes?.[tier] ?? Number.NaN;
          expect(used).toBeLessThanOrEqual(plan.budgetBytes[tier]);
          const explained = tiers.find((entry) => entry.tier === tier);
          expect(explained?.usedBytes).toBe(used);
          const uses = Object.values(explained?.uses ?? {});
          expect(uses.reduce((sum, bytes) => sum + bytes, 0)).toBe(used);
        }
      }),
      { numRuns: 20 },
    );
  });

  it('puts the hottest neurons on the fastest tier', async () => {
    const plan = await solvePlacement(profile, hardware, { vramBudgetBytes: 8e6 });
    const { gpu = 0, cpu = 0 } = neuronsOf(plan);
    expect(gpu).toBeGreaterThan(0);
    expect(cpu).toBeGreaterThan(0);
    for (const [layer, { order }] of plan.layers.entries()) {
      const fires = profile.layers[layer]?.fires ?? new BigInt64Array();
      for (let i = 1; i < order.length; i++) {
        const [hotter = 0n, colder = 0n] = [
          fires[order[i - 1] as number],
          fires[order[i] as number],
        ];
        expect(hotter >= colder).toBe(true);
      }
    }
  });

  it('says where the engine holds more of a layer than the plan counts', async () => {
    const noticesOf = async (ffn: string) => {
      const weight_types = { embedding: 'F16', attention: 'F16', output: 'F16', ffn };
      const notices: string[] = [];
      const plan = await solvePlacement(profileOf(shape({ weight_types })), hardware, {
        vramBudgetBytes: 4e6,
        onNotice: (notice) => notices.push(notice),
      });
      const split = plan.layers.filter(({ tierEnd }) => tierEnd[0] > 0 && tierEnd[1] > tierEnd[0]);
      expect(split.length).toBeGreaterThan(0);
      return notices.join();
    };
    expect(await noticesOf('Q8_0')).toMatch(
      /split between GPU and memory, .* is Q8_0: .* \d+ bytes more/,
    );
    expect(await noticesOf('F16')).not.toMatch(/split/);
  });

  it('never gets slower with more memory', async () => {
    const seconds: number[] = [];
    for (const vramBudgetBytes of [0, 2e6, 4e6, 6e6, 8e6, 12e6, 16e6]) {
      const { predicted } = await solvePlacement(profile, hardware, { vramBudgetBytes });
      seconds.push(predicted?.secondsPerToken ?? 0);
    }
    for (let i = 1; i < seconds.length; i++) {
      expect(seconds[i]).toBeLessThanOrEqual((seconds[i - 1] as number) * 1.0001);
    }
    expect(seconds.at(-1)).toBeLessThan((seconds[0] as number) / 2);
  });

  it('uses flash only where memory does not suffice, and clusters what lives there', async () => {
    const inMemory = await solvePlacement(profile, hardware);
    expect(neuronsOf(inMemory)['flash']).toBe(0);
    expect(inMemory.usedBytes?.flash).toBe(0);

    const options = { vramBudgetBytes: 0, ramBudgetBytes: 13e6, mode: 'predicted' } as const;
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const plain = await solvePlacement(profile, hardware, { ...options, onNotice });
    expect(neuronsOf(plain)['flash']).toBeGreaterThan(100);
    expect(notices.join()).toMatch(/fire together: on flash they stay in the order/);
    expect(plain.dense?.scratchBytes.cpu).toBeGreaterThan(
      inMemory.dense?.scratchBytes.cpu ?? Number.NaN,
    );

    const sketched = await solvePlacement(withSketches(profile), hardware, options);
    const breaks = ({ layers }: PlacementPlan) => {
      let count = 0;
      for (const { order, tierEnd } of layers) {
        for (let i = tierEnd[1] + 1; i < order.length; i++) {
          if ((order[i] as number) % 7 !== (order[i - 1] as number) % 7) count++;
        }
      }
      return count;
    };
    expect(breaks(sketched)).toBeLessThan(breaks(plain) / 4);
    for (const [layer, { order, tierEnd }] of sketched.layers.entries()) {
      const other = plain.layers[layer]?.order ?? new Uint32Array();
      expect(order.subarray(0, tierEnd[1])).toEqual(other.subarray(0, tierEnd[1]));
      expect([...order].sort()).toEqual([...other].sort());
    }
  });

  it('makes a plan for either objective where there is no GPU to fill', async () => {
    for (const objective of ['latency', 'impact'] as const) {
      const plan = await solvePlacement(profile, machine(), { objective });
      expect(plan.solution).toMatchObject({ objective, gap: expect.closeTo(0, 6) });
      await writePlacementPlan(join(folder, `${objective}.plan.safetensors`), plan);
    }
  });

  it('runs on a machine without a GPU', async () => {
    const plan = await solvePlacement(profile, machine());
    expect(neuronsOf(plan)).toEqual({ gpu: 0, cpu: 4 * 640, flash: 0 });
    expect(plan.usedBytes?.gpu).toBe(0);
    expect(plan.dense?.attention).toEqual(['cpu', 'cpu', 'cpu', 'cpu']);
  });

  it('refuses what cannot be, with the numbers', async () => {
    const ask = (options: SolveOptions) => solvePlacement(profile, machine(), options);
    await expect(ask({ ramBudgetBytes: 1e6 })).rejects.toMatchObject({
      code: 'PLACEMENT_INFEASIBLE',
      details: { tier: 'cpu', availableBytes: 1e6 },
    });
    await expect(ask({ ramBudgetBytes: 10e6 })).rejects.toMatchObject({
      code: 'PLACEMENT_INFEASIBLE',
      details: { tier: 'cpu' },
    });
    await expect(ask({ ramBudgetBytes: 65e6 })).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
    const short = { ...profile, layers: profile.layers.slice(1) };
    await expect(solvePlacement(short, machine())).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('agrees with the general solver', async () => {
    const small = profileOf(shape({ layers: 2, n_ff: [12, 12] }), 4);
    const vramBudgetBytes = 3e6;
    const own = await solvePlacement(small, hardware, { vramBudgetBytes });
    const highs = await solvePlacement(small, hardware, { vramBudgetBytes, method: 'highs' });
    const ratio = (own.solution?.value ?? 0) / (highs.solution?.value ?? 0);
    expect(ratio).toBeCloseTo(1, 3);
  });

  it('says what a profile leaves open', async () => {
    const notices: string[] = [];
    const open: ActivationProfile = {
      ...profileOf(shape({ weight_types: {} })),
      shards: [{ run: 'x', index: 0, count: 3 }],
    };
    const onNotice = (notice: string) => notices.push(notice);
    await solvePlacement(open, hardware, { mode: 'predicted', onNotice });
    expect(notices).toHaveLength(3);
    expect(notices.join('\n')).toMatch(/F16 is assumed.*\n.*1 of 3 parts.*\n.*sizes of predictors/);
  });
});

describe('explainPlan', () => {
  it('tells what lives where and what binds', async () => {
    const plan = await solvePlacement(profile, hardware, { vramBudgetBytes: 8e6 });
    const told = await explainPlan(plan, profile, hardware);
    expect(told.secondsPerToken).toBeCloseTo(plan.predicted?.secondsPerToken ?? 0, 12);
    expect(told.tokensPerSecond * told.secondsPerToken).toBeCloseTo(1, 12);
    expect(told.tiers.map(({ tier }) => tier)).toEqual(['gpu', 'cpu', 'flash']);
    const [gpu, cpu] = told.tiers;
    expect(gpu?.full).toBe(true);
    expect(cpu?.full).toBe(false);
    const shares = told.tiers.reduce((sum, { neuronShare }) => sum + neuronShare, 0);
    const firing = told.tiers.reduce((sum, { firingShare }) => sum + firingShare, 0);
    expect([shares, firing]).toEqual([expect.closeTo(1, 12), expect.closeTo(1, 12)]);
    expect(gpu?.firingShare).toBeGreaterThan(gpu?.neuronShare ?? 1);
    expect(told.layers.every(({ slowest }) => slowest !== null)).toBe(true);
    const [more] = told.oneMoreGiB;
    expect(more?.tier).toBe('gpu');
    expect(more?.savedSeconds).toBeGreaterThan(0);
    expect(more?.secondsPerToken).toBeLessThan(told.secondsPerToken);
  });

  it('explains plans of others, whatever their order', async () => {
    const plan = await solvePlacement(profile, hardware, { vramBudgetBytes: 8e6 });
    const { budgetBytes, dense, workload, fingerprint, model, corpora } = plan;
    const bare: PlacementPlan = {
      ...{ budgetBytes, fingerprint, model, corpora },
      ...(dense && { dense }),
      ...(workload && { workload }),
      layers: plan.layers.map(({ order, tierEnd }) => ({ order: order.toReversed(), tierEnd })),
    };
    const [ours, theirs] = [
      await explainPlan(plan, profile, hardware),
      await explainPlan(bare, profile, hardware),
    ];
    expect(theirs.tiers[0]?.usedBytes).toBe(ours.tiers[0]?.usedBytes);
    expect(theirs.tiers[0]?.firingShare).toBeLessThan(ours.tiers[0]?.firingShare ?? 0);
    expect(theirs.secondsPerToken).toBeGreaterThan(ours.secondsPerToken);
    expect(theirs.gap).toBeUndefined();
  });

  it('refuses a plan of another model or machine', async () => {
    const plan = await solvePlacement(profile, hardware);
    const other = profileOf(shape(), 2);
    const refused = { code: 'INVALID_ARGUMENT' };
    await expect(explainPlan(plan, other, hardware)).rejects.toMatchObject(refused);
    await expect(explainPlan(plan, profile, machine())).rejects.toMatchObject(refused);
  });
});

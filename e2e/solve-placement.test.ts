import { join } from 'node:path';
import type { ActivationProfile, Engine } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import { findHardware, solvePlacement } from '@thermocline/solver';
import { describe, expect, test } from 'vitest';
import { expectClose } from './support/compare.js';
import { demo, ROOT } from './support/fixtures.js';
import { readNpy } from './support/npy.js';

const REFERENCE = join(ROOT, 'packages', 'demo-model', 'reference');
const TOKENS = 8192;
const CONTEXT = 256;

/** The counts of the reference as a profile of the opened model. */
function demoProfile({ info }: Engine): ActivationProfile {
  const { values, shape } = readNpy(join(REFERENCE, 'fires-8k.npy'));
  const [layers = 0, neurons = 0] = shape;
  const fires = values as BigInt64Array;
  return {
    fingerprint: info.fingerprint,
    model: info.model,
    corpora: [],
    layers: Array.from({ length: layers }, (_, layer) => ({
      tokens: TOKENS,
      fires: fires.slice(layer * neurons, (layer + 1) * neurons),
    })),
  };
}

describe('a plan for the demo model', () => {
  test('takes what it says when an engine carries it out', async () => {
    const hardware = await findHardware('this-machine');
    await using free = await openEngine(demo.gguf, { context: CONTEXT });
    const profile = demoProfile(free);
    const plan = await solvePlacement(profile, hardware, { contextTokens: CONTEXT });
    expect(plan.layers.map(({ tierEnd }) => tierEnd)).toEqual(profile.layers.map(() => [0, 1024]));

    const planned = plan.usedBytes?.cpu ?? 0;
    const { threads } = hardware.cpu;
    // Laying a layer anew takes its neurons twice for a moment.
    const ramBudgetBytes = planned + 1024 * 3 * 512;
    await using tight = await openEngine(demo.gguf, { context: CONTEXT, threads, ramBudgetBytes });
    await tight.setPlan(plan);
    await using session = await tight.createSession();
    await using plain = await free.createSession();
    const { ids = [] } = demo.reference().prompts[0] ?? {};
    const [a, b] = [await session.evaluate(ids), await plain.evaluate(ids)];
    expectClose(a.logits[0] ?? [], b.logits[0] ?? [], 2e-4);
    const used = tight.memory().find(({ tier }) => tier === 'cpu')?.usedBytes ?? 0;
    expect(used).toBeLessThanOrEqual(planned);
    expect(used).toBeGreaterThan(0.99 * planned);
  });

  test.each(['dense', 'exact'] as const)('expects the bytes that %s mode reads', async (mode) => {
    const shipped = await findHardware('this-machine');
    // At one rate for everything, seconds are bytes.
    const cpu = { ...shipped.tiers.cpu, sequentialBytesPerSecond: 1e9, random: [] };
    const hardware = { ...shipped, tiers: { cpu } };
    await using engine = await openEngine(demo.gguf, { context: CONTEXT });
    await using session = await engine.createSession();
    const profile = demoProfile(engine);
    const plan = await solvePlacement(profile, hardware, { mode, contextTokens: CONTEXT });

    const ids = Array.from(readNpy(join(REFERENCE, 'valid-slice-8k.npy')).values, Number);
    const read = { all: 0, ffn: 0 };
    for (const token of ids.slice(0, CONTEXT)) {
      const { stats } = await session.evaluate([token], { mode });
      read.all += stats.bytesRead.cpu / CONTEXT;
      read.ffn += stats.ffnBytesRead.cpu / CONTEXT;
    }
    const { parts = [], secondsPerToken = 0 } = plan.predicted ?? {};
    const ffn = parts.find(({ name }) => name === 'ffn')?.seconds ?? 0;
    // 256 of the 8,192 tokens that were counted: their firings differ a little from the mean.
    expect((1e9 * ffn) / read.ffn).toBeCloseTo(1, mode === 'dense' ? 6 : 1);
    expect((1e9 * secondsPerToken) / read.all).toBeGreaterThan(0.98);
    expect((1e9 * secondsPerToken) / read.all).toBeLessThan(1.02);
  });
});

import type { Engine, PlacementPlan } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { expectSameBits } from './support/compare.js';
import { demo, opt } from './support/fixtures.js';

// A plan that leaves every neuron on the processor only lists them in another order. They are added
// up by id, so it changes nothing at all.

/** Everything on the processor, each layer's neurons in the order their keys sort. */
function planByKeys(
  engine: Engine,
  keyOf: (layer: number, neuron: number) => number,
): PlacementPlan {
  const { model, fingerprint } = engine.info;
  return {
    fingerprint,
    model,
    corpora: [],
    budgetBytes: { gpu: 0, cpu: 2 ** 30, flash: 0 },
    layers: model.n_ff.map((neurons, layer) => ({
      order: Uint32Array.from({ length: neurons }, (_, i) => i).sort(
        (a, b) => keyOf(layer, a) - keyOf(layer, b),
      ),
      tierEnd: [0, neurons],
    })),
  };
}

/** A fixed scramble of a number. */
function scramble(seed: number, layer: number, neuron: number): number {
  let x = Math.imul(seed ^ (layer * 0x9e3779b9) ^ neuron, 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

describe.each([demo, opt])('placement of $name', (fixture) => {
  test.each(['f32', 'f16'] as const)('any order of neurons, KV %s: same bits', async (kvType) => {
    await using engine = await openEngine(fixture.gguf, { kvType });
    await using session = await engine.createSession();
    const { ids, greedy_ids } = fixture.reference().prompts[2] ?? { ids: [], greedy_ids: [] };
    const tokens = [...ids, ...greedy_ids.slice(0, 16)];
    const evaluate = async (mode: 'dense' | 'exact') => {
      await session.truncate(0);
      return session.evaluate(tokens, { mode, logits: 'all' });
    };
    const [dense, exact] = [await evaluate('dense'), await evaluate('exact')];
    const expectNoChange = async () => {
      for (const [mode, known] of [
        ['dense', dense],
        ['exact', exact],
      ] as const) {
        const placed = await evaluate(mode);
        for (const [i, row] of placed.logits.entries()) {
          expectSameBits(row, dense.logits[i] ?? new Float32Array());
        }
        expect(placed.stats.fired).toEqual(known.stats.fired);
        expect(placed.stats.ffnBytesRead).toEqual(known.stats.ffnBytesRead);
      }
    };
    await fc.assert(
      fc.asyncProperty(fc.integer(), async (seed) => {
        await engine.setPlan(planByKeys(engine, (layer, n) => scramble(seed, layer, n)));
        await expectNoChange();
      }),
      { numRuns: 8, seed: 1 },
    );
    await engine.setPlan(planByKeys(engine, (_, neuron) => -neuron));
    await expectNoChange();
    await engine.setPlan(null);
    await expectNoChange();
  });

  test('a plan may change between two tokens of a timeline', async () => {
    await using engine = await openEngine(fixture.gguf);
    await using session = await engine.createSession();
    const { ids } = fixture.reference().prompts[0] ?? { ids: [] };
    const whole = await session.evaluate(ids);
    await session.truncate(0);
    let logits: Float32Array = new Float32Array();
    for (const [i, id] of ids.entries()) {
      if (i % 3 === 1) await engine.setPlan(planByKeys(engine, (l, n) => scramble(i, l, n)));
      logits = (await session.evaluate([id])).logits[0] ?? logits;
    }
    expectSameBits(logits, whole.logits[0] ?? new Float32Array());
  });

  test('observed neurons keep the ids of the model file', async () => {
    await using engine = await openEngine(fixture.gguf);
    const tokens = fixture.reference().prompts[1]?.ids ?? [];
    const window = { tokens, document: 0, position: 0 };
    const before = await engine.sum([window]);
    await engine.setPlan(planByKeys(engine, (l, n) => scramble(7, l, n)));
    expect(await engine.sum([window])).toEqual(before);
  });

  test('a plan of another model, or one that is no permutation, is refused', async () => {
    await using engine = await openEngine(fixture.gguf);
    const plan = planByKeys(engine, (_, n) => n);
    const stranger = { ...plan, fingerprint: 'f'.repeat(plan.fingerprint.length) };
    await expect(engine.setPlan(stranger)).rejects.toMatchObject({
      code: 'ARTIFACT_MODEL_MISMATCH',
    });
    plan.layers[0]?.order.fill(0);
    await expect(engine.setPlan(plan)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });
});

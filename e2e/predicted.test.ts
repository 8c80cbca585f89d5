import { join } from 'node:path';
import type { Evaluation, Mode, PredictorSet } from '@thermocline/contracts';
import { type NativeEngine, openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { expectSameBits } from './support/compare.js';
import { demo, missing, opt, swiglu } from './support/fixtures.js';
import { gatePredictors, perfectPredictors, randomPredictors } from './support/predictor-sets.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';

const folder = temporaryFolder();
const quantised = (type: 'Q8_0' | 'Q4_0'): string => {
  const path = join(folder, `demo-${type}.gguf`);
  quantizeGguf(demo.gguf, path, type);
  return path;
};

const MODELS = [
  { name: 'demo', path: () => demo.gguf },
  { name: 'opt', path: () => opt.gguf },
  { name: 'demo in Q8_0', path: () => quantised('Q8_0') },
  { name: 'demo in Q4_0', path: () => quantised('Q4_0') },
];
/** No logits, and so never the same as some. */
const NONE = new Float32Array();
const prompts = demo.reference().prompts.map(({ ids, greedy_ids }) => [...ids, ...greedy_ids]);
const tokens = prompts[0]?.slice(0, 48) ?? [];

async function evaluate(engine: NativeEngine, mode: Mode, audit = false): Promise<Evaluation> {
  await using session = await engine.createSession();
  return await session.evaluate(tokens, { mode, logits: 'all', audit });
}

function expectSameLogits(actual: Evaluation, expected: Evaluation): void {
  expect(actual.logits).toHaveLength(expected.logits.length);
  for (const [i, row] of actual.logits.entries()) {
    expectSameBits(row, expected.logits[i] ?? NONE);
  }
}

const sum = (values: readonly number[] = []) => values.reduce((total, value) => total + value, 0);

describe.each(MODELS)('predicted mode of $name', ({ path }) => {
  test('has the bits of dense when everything is predicted', async () => {
    await using engine = await openEngine(path());
    const dense = await evaluate(engine, 'dense');
    await engine.setPredictors(randomPredictors(engine.info, -3e38));
    expectSameLogits(await evaluate(engine, 'predicted'), dense);
    await engine.setPredictors(gatePredictors(engine.info, 0));
    expectSameLogits(await evaluate(engine, 'predicted'), dense);
    expectSameLogits(await evaluate(engine, 'threshold'), dense);
  });

  test('has the same bits at once, token by token, beside others and with any threads', async () => {
    const file = path();
    let known: Evaluation | undefined;
    for (const threads of [1, 2, 3]) {
      await using engine = await openEngine(file, { threads });
      await engine.setPredictors(randomPredictors(engine.info, 2));
      const whole = await evaluate(engine, 'predicted');
      known ??= whole;
      expectSameLogits(whole, known);
      await using single = await engine.createSession();
      for (const [i, token] of tokens.slice(0, 12).entries()) {
        const { logits } = await single.evaluate([token], { mode: 'predicted' });
        expectSameBits(logits[0] ?? NONE, whole.logits[i] ?? NONE);
      }
      const sessions = await Promise.all(prompts.map(() => engine.createSession()));
      const items = prompts.map((prompt, i) => ({
        session: sessions[i] as (typeof sessions)[number],
        tokens: prompt.slice(0, 20 + i),
      }));
      const together = await engine.step(items, { mode: 'predicted' });
      for (const [i, item] of items.entries()) {
        await using alone = await engine.createSession();
        const { logits } = await alone.evaluate(item.tokens, { mode: 'predicted' });
        expectSameBits(together[i]?.logits[0] ?? NONE, logits[0] ?? NONE);
      }
    }
  });
});

describe.each([demo, opt])('predictors that are never wrong, for $name', (fixture) => {
  test('give the bits of exact and read less', async () => {
    await using engine = await openEngine(fixture.gguf);
    await engine.setPredictors(await perfectPredictors(engine));
    const exact = await evaluate(engine, 'exact');
    const predicted = await evaluate(engine, 'predicted', true);
    expectSameLogits(predicted, exact);
    expect(predicted.stats.fired).toEqual(exact.stats.fired);
    expect(predicted.stats.computed).toEqual(exact.stats.fired);
    expect(predicted.stats.ffnBytesRead.cpu).toBeLessThanOrEqual(exact.stats.ffnBytesRead.cpu);
    expect(predicted.audit?.hits).toEqual(predicted.audit?.firing);
    expect(predicted.audit?.hitValue).toEqual(predicted.audit?.firingValue);

    // Decode: a gated neuron that does not fire costs nothing at all.
    const cost = async (mode: Mode) => {
      await using session = await engine.createSession();
      const options = { mode, maxTokens: 33, ignoreEos: true };
      const { decode, tokens: written } = await session.generate(tokens, options).result;
      return { written, decode };
    };
    const [all, few] = [await cost('exact'), await cost('predicted')];
    expect(few.written).toEqual(all.written);
    expect(few.decode.ffnBytesRead.cpu).toBeLessThan(all.decode.ffnBytesRead.cpu / 2);
    expect(few.decode.bytesRead.cpu).toBe(
      all.decode.bytesRead.cpu -
        all.decode.ffnBytesRead.cpu +
        few.decode.ffnBytesRead.cpu +
        sum(few.decode.predictorBytes),
    );
  });
});

test('what predictors miss shows in the audit and not elsewhere', async () => {
  await using engine = await openEngine(demo.gguf);
  const set: PredictorSet = randomPredictors(engine.info, 1);
  await engine.setPredictors(set);
  const audited = await evaluate(engine, 'predicted', true);
  expectSameLogits(await evaluate(engine, 'predicted'), audited);
  const { audit, stats } = audited;
  expect(audit?.tokens).toBe(tokens.length);
  expect(audit?.predicted).toEqual(stats.computed);
  expect(audit?.hits).toEqual(stats.fired);
  const recall = sum(audit?.hits) / sum(audit?.firing);
  const share = sum(stats.computed) / sum(stats.neurons);
  // Chance: of what fires as large a share is met as of all.
  expect(recall).toBeGreaterThan(share - 0.1);
  expect(recall).toBeLessThan(share + 0.1);
});

test('threshold mode of a SwiGLU model leaves out what is small', async ({ skip }) => {
  skip(missing(swiglu.gguf), 'extra test data');
  await using engine = await openEngine(swiglu.gguf);
  const dense = await evaluate(engine, 'dense');
  await engine.setPredictors(gatePredictors(engine.info, -1));
  expectSameLogits(await evaluate(engine, 'threshold'), dense);
  let before = { computed: sum(dense.stats.neurons), value: 1 };
  for (const threshold of [0.02, 0.1, 0.3]) {
    await engine.setPredictors(gatePredictors(engine.info, threshold));
    const { stats, audit } = await evaluate(engine, 'threshold', true);
    const now = {
      computed: sum(stats.computed),
      value: sum(audit?.hitValue) / sum(audit?.firingValue),
    };
    expect(now.computed).toBeLessThan(before.computed);
    expect(now.value).toBeLessThan(before.value);
    expect(stats.ffnBytesRead.cpu).toBeLessThanOrEqual(dense.stats.ffnBytesRead.cpu);
    before = now;
  }
  await expect(evaluate(engine, 'predicted')).rejects.toMatchObject({ code: 'MODE_UNSUPPORTED' });
});

import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  isPipelineError,
  type LoadProgress,
  type PlacementPlan,
  type PredictorSet,
} from '@thermocline/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type NativeEngine, openEngine } from './index.js';
import { DEMO_MODEL, SMALL_MODEL } from './testing/models.js';

let engine: NativeEngine;
let prompt: Int32Array;
beforeAll(async () => {
  engine = await openEngine(DEMO_MODEL);
  prompt = await engine.tokenize('Once upon a time', { addSpecial: true });
});
afterAll(() => engine.close());

const fullContext = () => Int32Array.from({ length: engine.info.context - 1 }, (_, i) => 300 + i);

test('an engine opens with the plan of its own model, and with no other', async () => {
  const { model, fingerprint } = engine;
  const plan: PlacementPlan = {
    fingerprint,
    model,
    corpora: [],
    budgetBytes: { gpu: 0, cpu: 2 ** 30, flash: 0 },
    layers: model.n_ff.map((neurons) => ({
      order: Uint32Array.from({ length: neurons }, (_, i) => neurons - 1 - i),
      tierEnd: [0, neurons],
    })),
  };
  await using placed = await openEngine(DEMO_MODEL, { plan });
  await using session = await placed.createSession();
  expect((await session.evaluate(prompt)).logits).toHaveLength(1);
  const refused: [PlacementPlan, string][] = [
    [{ ...plan, fingerprint: 'another' }, 'ARTIFACT_MODEL_MISMATCH'],
    [{ ...plan, layers: plan.layers.slice(1) }, 'INVALID_ARGUMENT'],
    [{ ...plan, layers: [] }, 'INVALID_ARGUMENT'],
  ];
  for (const [wrong, code] of refused) {
    await expect(openEngine(DEMO_MODEL, { plan: wrong })).rejects.toMatchObject({ code });
  }
});

test('an engine opens with the predictors of its own model, and with no other', async () => {
  const { model, fingerprint } = engine;
  const predictors: PredictorSet = {
    fingerprint,
    model,
    corpora: [],
    layers: model.n_ff.map((neurons) => ({
      kind: 'signs',
      reads: 'same-layer',
      signs: new Uint8Array(neurons * Math.ceil(model.d_model / 8)),
      threshold: Float32Array.of(-model.d_model - 1),
    })),
  };
  await using predicting = await openEngine(DEMO_MODEL, { predictors });
  expect(predicting.info.modes).toEqual(['dense', 'exact', 'predicted']);
  const { predictors: bytes } = predicting.memory()[0]?.uses ?? {};
  expect(bytes).toBeGreaterThan(0);
  await using session = await predicting.createSession();
  await using other = await engine.createSession();
  const { logits } = await session.evaluate(prompt, { mode: 'predicted' });
  expect(logits).toEqual((await other.evaluate(prompt)).logits);
  const refused: [PredictorSet, string][] = [
    [{ ...predictors, fingerprint: 'another' }, 'ARTIFACT_MODEL_MISMATCH'],
    [{ ...predictors, layers: predictors.layers.slice(1) }, 'INVALID_ARGUMENT'],
    [{ ...predictors, layers: [] }, 'INVALID_ARGUMENT'],
  ];
  for (const [wrong, code] of refused) {
    await expect(openEngine(DEMO_MODEL, { predictors: wrong })).rejects.toMatchObject({ code });
    await expect(engine.setPredictors(wrong)).rejects.toMatchObject({ code });
  }
  await expect(
    openEngine(DEMO_MODEL, { predictors, ramBudgetBytes: engine.memory()[0]?.plannedBytes ?? 0 }),
  ).rejects.toMatchObject({ code: 'OUT_OF_MEMORY' });
});

describe('aborting', () => {
  test('a generation in its prefill ends with nothing and leaves the session usable', async () => {
    await using session = await engine.createSession();
    const stop = new AbortController();
    // Behind enough other work that the abort meets it before its first token.
    const others = await Promise.all(Array.from({ length: 8 }, () => engine.createSession()));
    const busy = others.map((other) => other.evaluate(fullContext(), { logits: 'none' }));
    const generation = session.generate(fullContext(), { signal: stop.signal });
    stop.abort();
    const result = await generation.result;
    expect(result.finishReason).toBe('aborted');
    expect(result.tokens).toEqual([]);
    await Promise.all(busy);
    await Promise.all(others.map((other) => other.close()));
    await session.truncate(0);
    expect((await session.evaluate(prompt)).logits).toHaveLength(1);
  });

  test('a generation in its decode ends with what there is', async () => {
    await using session = await engine.createSession();
    const stop = new AbortController();
    const generation = session.generate(prompt, { ignoreEos: true, signal: stop.signal });
    let text = '';
    for await (const chunk of generation) {
      text += chunk.text;
      if (text.length > 20) stop.abort();
    }
    const result = await generation.result;
    expect(result.finishReason).toBe('aborted');
    expect(result.text).toBe(text);
    expect(result.tokens.length).toBeLessThan(engine.info.context - prompt.length);
  });

  test('an evaluation is a typed error that carries the reason', async () => {
    await using session = await engine.createSession();
    const stop = new AbortController();
    const queued = [1, 2, 3].map(() => session.evaluate(fullContext().subarray(0, 150)));
    const last = session.evaluate([5], { signal: stop.signal });
    stop.abort(new Error('mine'));
    await expect(last).rejects.toMatchObject({ code: 'ABORTED', cause: { message: 'mine' } });
    await Promise.all(queued);
    expect(session.length).toBe(450);
  });

  test('opening', async () => {
    const stop = new AbortController();
    const opening = openEngine(DEMO_MODEL, {
      signal: stop.signal,
      onProgress: () => stop.abort(),
    });
    // The file is small: it may have been read before the abort arrived.
    const outcome = await opening.catch((error: unknown) => error);
    if (outcome instanceof Error) expect(isPipelineError(outcome, 'ABORTED')).toBe(true);
    else await (outcome as NativeEngine).close();
    await expect(openEngine(DEMO_MODEL, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    });
  });
});

test('two engines and many sessions work at once, each as if alone', async () => {
  await using other = await openEngine(SMALL_MODEL, { threads: 1 });
  const run = async (on: NativeEngine) => {
    const ids = await on.tokenize('Once upon a time', { addSpecial: true });
    await using session = await on.createSession();
    return (await session.generate(ids, { maxTokens: 30, ignoreEos: true }).result).text;
  };
  const [alone, otherAlone] = [await run(engine), await run(other)];
  const engines = Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? other : engine));
  const texts = await Promise.all(engines.map(run));
  expect(texts).toEqual(engines.map((on) => (on === other ? otherAlone : alone)));
});

test('the event loop stays free during a long prefill', async () => {
  const sessions = await Promise.all(Array.from({ length: 24 }, () => engine.createSession()));
  const delay = monitorEventLoopDelay({ resolution: 5 });
  await sleep(20);
  delay.enable();
  const start = performance.now();
  await Promise.all(sessions.map((s) => s.evaluate(fullContext(), { mode: 'dense' })));
  const tookMs = performance.now() - start;
  delay.disable();
  await Promise.all(sessions.map((session) => session.close()));
  const lagMs = delay.max / 1e6;
  console.log(`prefill took ${tookMs.toFixed(0)} ms, the longest lag was ${lagMs.toFixed(1)} ms`);
  expect(lagMs).toBeLessThan(Math.max(100, tookMs / 4));
});

test('a long text is tokenized off the event loop', async () => {
  const text = 'Once upon a time, there was a little girl named Lily. '.repeat(40_000);
  const delay = monitorEventLoopDelay({ resolution: 5 });
  await sleep(20);
  delay.enable();
  const ids = await engine.tokenize(text);
  delay.disable();
  expect(ids.length).toBeGreaterThan(400_000);
  expect(delay.max / 1e6).toBeLessThan(250);
  expect(await engine.detokenize(ids)).toBe(text);
});

describe('a progress listener', () => {
  test('hears the share that is read', async () => {
    const shares: number[] = [];
    const heard: LoadProgress[] = [];
    await using opened = await openEngine(DEMO_MODEL, {
      onProgress: (share, progress) => {
        shares.push(share);
        heard.push(progress);
      },
    });
    expect(opened.info.path).toBe(DEMO_MODEL);
    const { load } = opened.info;
    expect(heard.at(-1)).toMatchObject({ bytes: load.fileBytes, totalBytes: load.fileBytes });
    expect(heard.at(-1)?.bytesPerSecond).toBeGreaterThan(1e6);
    expect(load.seconds).toBeGreaterThan(0);
    expect(load.weightBytes).toBeGreaterThanOrEqual(0.99 * load.fileBytes);
    expect(load.cachedBytes).toBeLessThanOrEqual(load.fileBytes);
    expect(load.stagingBytes).toBeLessThanOrEqual(32 * 2 ** 20);
    expect(load.hugePageBytes ?? 0).toBeLessThanOrEqual(load.weightBytes);
    expect(shares.length).toBeGreaterThan(0);
    expect(shares.at(-1)).toBeCloseTo(1, 9);
    expect(shares).toEqual(shares.toSorted((a, b) => a - b));
  });

  test.each([null, undefined, 7, new Error('mine')])('may throw %s', async (value) => {
    const opening = openEngine(DEMO_MODEL, {
      onProgress: () => {
        // eslint-disable-next-line @typescript-eslint/only-throw-error -- that is what is tested
        throw value;
      },
    });
    await expect(opening).rejects.toBe(value);
  });
});

describe('memory', () => {
  test('a budget that is too small is refused with the numbers, before any is allocated', async () => {
    const before = process.memoryUsage.rss();
    const error = await openEngine(DEMO_MODEL, { ramBudgetBytes: 1_000_000 }).catch((e) => e);
    expect(isPipelineError(error, 'OUT_OF_MEMORY') && error.details).toMatchObject({
      tier: 'cpu',
      requestedBytes: expect.any(Number),
      availableBytes: 1_000_000,
    });
    expect(error.details.requestedBytes).toBeGreaterThan(10_000_000);
    expect(error.message).toContain(DEMO_MODEL);
    expect(process.memoryUsage.rss() - before).toBeLessThan(12_000_000);
  });

  test('a session that does not fit the budget is refused; room that is freed is used', async () => {
    const [cpu] = engine.memory();
    const { kv: _, ...fixed } = cpu?.uses ?? {};
    const fixedBytes = Object.values(fixed).reduce((a, b) => a + b, 0);
    const kvBytes = engine.info.context * 6 * 2 * 2 * 64 * 2;
    await using tight = await openEngine(DEMO_MODEL, {
      ramBudgetBytes: fixedBytes + kvBytes + kvBytes / 2,
    });
    const first = await tight.createSession();
    const error = await tight.createSession().catch((e) => e);
    expect(isPipelineError(error, 'OUT_OF_MEMORY') && error.details).toMatchObject({
      requestedBytes: kvBytes,
      availableBytes: kvBytes / 2,
    });
    await first.close();
    await using second = await tight.createSession();
    expect(second.length).toBe(0);
  });
});

describe('files', () => {
  test.each([
    ['/nowhere/at-all.gguf', 'FILE_NOT_FOUND'],
    [import.meta.filename, 'MODEL_UNSUPPORTED'],
  ])('%s is %s and named', async (path, code) => {
    const error = await openEngine(path).catch((e) => e);
    expect(error).toMatchObject({ code, details: { path } });
    expect(error.message).toContain(path);
  });
});

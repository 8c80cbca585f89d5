import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Engine, Session } from '../engine.js';
import { isPipelineError } from '../errors.js';
import type { PlacementPlan } from '../placement-plan.js';
import { expectClose, expectCode, only, TOLERANCE } from './expect.js';
import { predictorCases } from './predictor-cases.js';

export interface EngineSuiteOptions {
  /** Opens a fresh engine; closing it is the suite's affair. The model should be small. */
  open(): Promise<Engine>;
  /** An unfinished sentence of at least eight tokens in the model's language. */
  prompt: string;
}

/**
 * What every `Engine` owes its users; call it at the top of a test file.
 *
 * @example
 * engineSuite('my engine', { open: () => openMyEngine('model.gguf'), prompt: 'Once upon a time, there was' });
 */
export function engineSuite(name: string, options: EngineSuiteOptions): void {
  describe(`${name}: engine suite`, () => {
    let engine: Engine;
    let prompt: Int32Array;
    beforeAll(async () => {
      engine = await options.open();
      prompt = await engine.tokenize(options.prompt, { addSpecial: engine.info.addsBos });
    });
    afterAll(() => engine.close());

    /** Logits after all of these tokens, on a timeline of their own. */
    async function fresh(...parts: ArrayLike<number>[]): Promise<Float32Array> {
      await using session = await engine.createSession();
      let logits: Float32Array = new Float32Array();
      for (const part of parts) logits = only((await session.evaluate(part)).logits);
      return logits;
    }

    it('describes itself', () => {
      const { info } = engine;
      expect(info.modes).toContain(info.defaultMode);
      expect(info.modes).toContain('dense');
      expect(info.model.n_ff).toHaveLength(info.model.layers);
      expect(info.context).toBeGreaterThan(0);
      expect(info.context).toBeLessThanOrEqual(info.model.context);
      expect(info.threads).toBeGreaterThan(0);
      expect(info.fingerprint).not.toBe('');
    });

    it('tokenizes and back', async () => {
      const ids = await engine.tokenize(options.prompt);
      expect(ids).toBeInstanceOf(Int32Array);
      expect((await engine.detokenize(ids)).trim()).toBe(options.prompt.trim());
      expect(await engine.tokenize('')).toHaveLength(0);
      expect(typeof engine.tokenText(ids[0] as number)).toBe('string');
      await expectCode('INVALID_ARGUMENT', () => engine.tokenText(engine.info.model.vocab));
    });

    it('gives logits where they are wanted', async () => {
      await using session = await engine.createSession();
      const { vocab } = engine.info.model;
      const all = await session.evaluate(prompt, { logits: 'all' });
      expect(all.logits).toHaveLength(prompt.length);
      expect(all.logits.every((row) => row.length === vocab && row.every(Number.isFinite))).toBe(
        true,
      );
      expect(all.stats.tokens).toBe(prompt.length);
      expect(session.length).toBe(prompt.length);
      expect(Array.from(session.tokens())).toEqual(Array.from(prompt));
      await session.truncate(0);
      const some = await session.evaluate(prompt, { logits: [0, 2] });
      expect(some.logits).toHaveLength(2);
      expectClose(some.logits[1], all.logits[2]);
      await session.truncate(0);
      expect((await session.evaluate(prompt, { logits: 'none' })).logits).toEqual([]);
    });

    it('gives the same at once, in parts and after a change of mind', async () => {
      const whole = await fresh(prompt);
      expectClose(await fresh(prompt.subarray(0, 3), prompt.subarray(3)), whole);
      await using session = await engine.createSession();
      await session.evaluate(prompt);
      await using branch = await session.fork();
      await session.truncate(2);
      expect(session.length).toBe(2);
      expectClose(only((await session.evaluate(prompt.subarray(2))).logits), whole);
      expect(branch.length).toBe(prompt.length);
      const next = argmax(whole);
      expectClose(only((await branch.evaluate([next])).logits), await fresh(prompt, [next]));
    });

    it('computes several sessions in one step as if each were alone', async () => {
      const parts = [prompt, prompt.subarray(0, 3), prompt.subarray(2)];
      const sessions = await Promise.all(parts.map(() => engine.createSession()));
      const items = parts.map((tokens, i) => ({ session: sessions[i] as Session, tokens }));
      const evaluations = await engine.step(items);
      for (const [i, part] of parts.entries()) {
        expectClose(only(evaluations[i]?.logits ?? []), await fresh(part));
      }
      await Promise.all(sessions.map((session) => session.close()));
    });

    it('generates what its logits say, in whole chunks', async () => {
      await using session = await engine.createSession();
      const generation = session.generate(prompt, { maxTokens: 12, ignoreEos: true });
      let text = '';
      const tokens: number[] = [];
      for await (const chunk of generation) {
        text += chunk.text;
        tokens.push(...chunk.tokens);
      }
      const result = await generation.result;
      expect(result.finishReason).toBe('length');
      expect(result.tokens).toHaveLength(12);
      expect(tokens).toEqual(result.tokens);
      expect(text).toBe(result.text);
      expect(result.tokenTimesMs).toHaveLength(12);
      expect(result.prefill.tokens).toBe(prompt.length);
      await using checker = await engine.createSession();
      let logits = only((await checker.evaluate(prompt)).logits);
      for (const token of result.tokens) {
        expect(logits[token]).toBeGreaterThanOrEqual(Math.max(...logits) - TOLERANCE * 10);
        logits = only((await checker.evaluate([token])).logits);
      }
    });

    it('draws the same tokens from the same seed', async () => {
      const draw = async (seed: number) => {
        await using session = await engine.createSession();
        const sampling = { temperature: 1.5, topK: 50, seed, maxTokens: 20, ignoreEos: true };
        return (await session.generate(prompt, sampling).result).tokens;
      };
      expect(await draw(3)).toEqual(await draw(3));
      expect(await draw(3)).not.toEqual(await draw(4));
    });

    it('stops before a stop text', async () => {
      const run = async (stop: string[]) => {
        await using session = await engine.createSession();
        return await session.generate(prompt, { maxTokens: 24, ignoreEos: true, stop }).result;
      };
      const { text } = await run([]);
      const stop = text.slice(8, 12);
      const stopped = await run([stop]);
      expect(stopped.finishReason).toBe('stop');
      expect(stopped.text).toBe(text.slice(0, text.indexOf(stop)));
    });

    it('goes on where a generation ended', async () => {
      await using session = await engine.createSession();
      const first = await session.generate(prompt, { maxTokens: 4, ignoreEos: true }).result;
      const second = await session.generate([], { maxTokens: 4, ignoreEos: true }).result;
      await using other = await engine.createSession();
      const whole = await other.generate(prompt, { maxTokens: 8, ignoreEos: true }).result;
      expect([...first.tokens, ...second.tokens]).toEqual(whole.tokens);
    });

    it('ends early when asked, with what there is', async () => {
      await using session = await engine.createSession();
      const generation = session.generate(prompt, { ignoreEos: true });
      let chunks = 0;
      for await (const { tokens } of generation) {
        chunks += tokens.length;
        if (chunks >= 2) break;
      }
      const left = await generation.result;
      expect(left.tokens.length).toBeGreaterThanOrEqual(2);
      const before = await session.generate(prompt, { signal: AbortSignal.abort() }).result;
      expect(before.finishReason).toBe('aborted');
      expect(before.tokens).toEqual([]);
      await expectCode('ABORTED', () => session.evaluate([1], { signal: AbortSignal.abort() }));
    });

    it('refuses what does not fit the context, before computing', async () => {
      await using session = await engine.createSession({ context: prompt.length });
      await session.evaluate(prompt.subarray(1));
      await expectCode('CONTEXT_OVERFLOW', () => session.evaluate(prompt));
      expect(session.length).toBe(prompt.length - 1);
      await session.evaluate(prompt.subarray(0, 1));
      await expectCode('INVALID_ARGUMENT', () =>
        engine.createSession({ context: engine.info.context + 1 }),
      );
    });

    it('skips in exact mode only what changes nothing', async () => {
      if (!engine.info.modes.includes('exact')) {
        await expectCode('MODE_UNSUPPORTED', () => evaluateIn('exact'));
        return;
      }
      const [dense, exact] = [await evaluateIn('dense'), await evaluateIn('exact')];
      expectClose(only(exact.logits), only(dense.logits));
      expect(exact.stats.fired).toEqual(dense.stats.fired);
      expect(bytes(exact.stats.ffnBytesRead)).toBeLessThanOrEqual(bytes(dense.stats.ffnBytesRead));

      async function evaluateIn(mode: 'dense' | 'exact') {
        await using session = await engine.createSession();
        return await session.evaluate(prompt, { mode });
      }
    });

    it('computes the same in any order of neurons', async () => {
      const expected = await fresh(prompt);
      await engine.setPlan(reversedPlan(engine));
      expectClose(await fresh(prompt), expected);
      await engine.setPlan(null);
      expectClose(await fresh(prompt), expected);
      await expectCode('ARTIFACT_MODEL_MISMATCH', () =>
        engine.setPlan({ ...reversedPlan(engine), fingerprint: 'another' }),
      );
    });

    predictorCases(() => ({ engine, prompt }));

    it('accounts for its memory', async () => {
      const own = await options.open();
      const used = () => own.memory().reduce((sum, tier) => sum + tier.usedBytes, 0);
      const opened = used();
      expect(opened).toBeGreaterThan(0);
      const session = await own.createSession();
      expect(used()).toBeGreaterThan(opened);
      for (const tier of own.memory()) {
        expect(tier.usedBytes).toBeLessThanOrEqual(tier.peakBytes);
        const sum = Object.values(tier.uses).reduce((a, b) => a + b, 0);
        expect(sum).toBe(tier.usedBytes);
        expect(Math.abs(tier.usedBytes - tier.plannedBytes)).toBeLessThanOrEqual(
          0.01 * tier.plannedBytes,
        );
      }
      await session.close();
      expect(used()).toBe(opened);
      await own.close();
      expect(used()).toBe(0);
    });

    it('closes at any moment, and twice', async () => {
      const own = await options.open();
      const session = await own.createSession();
      const running = session.generate(prompt, { ignoreEos: true });
      const queued = session.evaluate(prompt);
      const ends = Promise.allSettled([running.result, queued]);
      await Promise.all([own.close(), own.close()]);
      await own.close();
      await session.close();
      for (const end of await ends) {
        if (end.status === 'rejected') expect(isPipelineError(end.reason, 'CLOSED')).toBe(true);
      }
      await expectCode('CLOSED', () => own.createSession());
      await expectCode('CLOSED', () => own.tokenize('a'));
      await expectCode('CLOSED', () => own.step([{ session, tokens: [1] }]));
      await expectCode('CLOSED', () => own.setPlan(null));
      await expectCode('CLOSED', () => own.setPredictors(null));
      await expectCode('CLOSED', () => session.evaluate([1]));
      await expectCode('CLOSED', () => session.generate([1]).result);
      await expectCode('CLOSED', () => session.truncate(0));
      await expectCode('CLOSED', () => session.fork());
    });

    it('closes one session and leaves the others alone', async () => {
      const [closed, open] = [await engine.createSession(), await engine.createSession()];
      await closed.close();
      await closed.close();
      await expectCode('CLOSED', () => closed.evaluate([1]));
      expect((await open.evaluate(prompt)).logits).toHaveLength(1);
      await open.close();
    });
  });
}

function argmax(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}

function bytes(tiers: Record<string, number>): number {
  return Object.values(tiers).reduce((sum, part) => sum + part, 0);
}

function reversedPlan({ info }: Engine): PlacementPlan {
  const all = 2 ** 40;
  return {
    fingerprint: info.fingerprint,
    model: info.model,
    corpora: [],
    budgetBytes: { gpu: 0, cpu: all, flash: 0 },
    layers: info.model.n_ff.map((neurons) => ({
      order: Uint32Array.from({ length: neurons }, (_, i) => neurons - 1 - i),
      tierEnd: [0, neurons],
    })),
  };
}

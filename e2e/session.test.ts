import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { thermocline } from './support/cli.js';
import { expectSameBits } from './support/compare.js';
import { demo, opt } from './support/fixtures.js';

describe.each([demo, opt])('timelines of $name', (fixture) => {
  const [first, second] = fixture.reference().prompts;
  const [left, right] = [first?.ids ?? [], second?.ids ?? []];

  test('truncate, fork and reuse of a prefix equal fresh runs', async () => {
    await using engine = await openEngine(fixture.gguf);
    const fresh = async (...parts: number[][]): Promise<Float32Array> => {
      await using session = await engine.createSession();
      let logits: Float32Array = new Float32Array();
      for (const part of parts) logits = (await session.evaluate(part)).logits[0] ?? logits;
      return logits;
    };
    const expectedLeft = await fresh(right, left);
    const expectedRight = await fresh(right, right.slice(1));

    await using session = await engine.createSession();
    await session.evaluate(right);
    await session.evaluate(left);
    await session.truncate(right.length);
    expect(session.length).toBe(right.length);
    expect(Array.from(session.tokens())).toEqual(right);
    const again = await session.evaluate(left);
    expectSameBits(again.logits[0] ?? new Float32Array(), expectedLeft);

    await session.truncate(right.length);
    await using fork = await session.fork();
    const [a, b] = await Promise.all([session.evaluate(left), fork.evaluate(right.slice(1))]);
    expectSameBits(a.logits[0] ?? new Float32Array(), expectedLeft);
    expectSameBits(b.logits[0] ?? new Float32Array(), expectedRight);

    await session.close();
    await fork.truncate(right.length);
    const survivor = await fork.evaluate(left);
    expectSameBits(survivor.logits[0] ?? new Float32Array(), expectedLeft);
  });

  test('a full context is a typed error and computes nothing', async () => {
    await using engine = await openEngine(fixture.gguf, { context: 24 });
    expect(engine.info.context).toBe(24);
    await using session = await engine.createSession();
    await session.evaluate(left);
    const tooMany = Array<number>(24 - left.length + 1).fill(259);
    await expect(session.evaluate(tooMany)).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW' });
    expect(session.length).toBe(left.length);
    const { logits } = await session.evaluate(tooMany.slice(1));
    expect(logits[0]?.every(Number.isFinite)).toBe(true);
    expect(session.length).toBe(24);
    await expect(session.evaluate([259])).rejects.toMatchObject({ code: 'CONTEXT_OVERFLOW' });
  });

  test('generation ends at the end of the context and says so', async () => {
    await using engine = await openEngine(fixture.gguf, { context: 24 });
    await using session = await engine.createSession();
    const result = await session.generate(left, { ignoreEos: true }).result;
    expect(result.finishReason).toBe('context');
    expect(left.length + result.tokens.length).toBeGreaterThanOrEqual(24);
    expect(left.length + result.tokens.length).toBeLessThanOrEqual(25);
  });
});

test('the command line refuses a prompt longer than the context', async () => {
  const prompt = 'One day, a little girl named Lily went to the park. '.repeat(4);
  const { code, stdout, stderr } = await thermocline([
    ...['run', demo.gguf, '-p', prompt, '--context', '16', '-n', '4', '--json'],
  ]);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toMatch(/context/i);
  expect(stderr).toContain('16');
});

import { join } from 'node:path';
import type { Evaluation } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { expectSameBits } from './support/compare.js';
import { demo, opt } from './support/fixtures.js';
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
const MODES = ['dense', 'exact'] as const;
const prompts = demo.reference().prompts.map(({ ids, greedy_ids }) => [...ids, ...greedy_ids]);

function expectSameRun(actual: Evaluation, expected: Evaluation): void {
  expect(actual.logits).toHaveLength(expected.logits.length);
  for (const [i, row] of actual.logits.entries()) {
    expectSameBits(row, expected.logits[i] ?? new Float32Array());
  }
}

describe.each(MODELS)('$name gives the same bits', ({ path }) => {
  test('with 1, 2 and 3 threads, in prefill and decode', async () => {
    const file = path();
    const runs = [];
    for (const threads of [1, 2, 3]) {
      await using engine = await openEngine(file, { threads });
      const results: Evaluation[] = [];
      for (const mode of MODES) {
        await using session = await engine.createSession();
        for (const tokens of [prompts[0] ?? [], [708], [533], [259]]) {
          results.push(await session.evaluate(tokens, { mode, logits: 'all' }));
        }
      }
      runs.push(results);
    }
    const [one, two, three] = runs;
    for (const [i, result] of (one ?? []).entries()) {
      for (const other of [two?.[i], three?.[i]]) expectSameRun(other as Evaluation, result);
    }
  });

  test('a hundred times over', async () => {
    await using engine = await openEngine(path());
    await using session = await engine.createSession();
    const tokens = prompts[1]?.slice(0, 12) ?? [];
    for (const mode of MODES) {
      let first: Evaluation | undefined;
      for (let i = 0; i < 50; i++) {
        await session.truncate(0);
        const result = await session.evaluate(tokens, { mode, logits: 'all' });
        first ??= result;
        expectSameRun(result, first);
      }
      let firstTokens: number[] | undefined;
      for (let i = 0; i < 50; i++) {
        await session.truncate(0);
        const options = { mode, maxTokens: 8, temperature: 1, seed: 3, ignoreEos: true };
        const { tokens: generated } = await session.generate(tokens, options).result;
        firstTokens ??= generated;
        expect(generated).toEqual(firstTokens);
      }
    }
  });

  test('alone and in a batch', async () => {
    await using engine = await openEngine(path());
    // Prompts of different lengths, a single token and a long one, all in one pass.
    const rows = [...prompts, prompts[0]?.slice(0, 1) ?? [], prompts.flat().slice(0, 200)];
    for (const mode of MODES) {
      const singles: Evaluation[] = [];
      for (const tokens of rows) {
        await using session = await engine.createSession();
        const prefill = await session.evaluate(tokens, { mode, logits: 'all' });
        const decode = await session.evaluate([tokens.length], { mode });
        singles.push(prefill, decode);
      }
      const sessions = await Promise.all(rows.map(() => engine.createSession()));
      const prefills = await engine.step(
        rows.map((tokens, i) => ({ session: at(sessions, i), tokens, logits: 'all' as const })),
        { mode },
      );
      const decodes = await engine.step(
        rows.map((tokens, i) => ({ session: at(sessions, i), tokens: [tokens.length] })),
        { mode },
      );
      for (const i of rows.keys()) {
        expectSameRun(at(prefills, i), at(singles, 2 * i));
        expectSameRun(at(decodes, i), at(singles, 2 * i + 1));
      }
      await Promise.all(sessions.map((session) => session.close()));
    }
  });
});

function at<T>(items: readonly T[], i: number): T {
  const item = items[i];
  if (item === undefined) throw new Error(`Nothing at ${i}`);
  return item;
}

import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { expectClose } from './support/compare.js';
import { dataPath, demo, missing, opt, readIds } from './support/fixtures.js';
import { readNpy } from './support/npy.js';

const TOLERANCE = 1e-4;

describe.each([demo, opt])('exact mode of $name', (fixture) => {
  test('equals dense and reads fewer bytes', async () => {
    await using engine = await openEngine(fixture.gguf);
    await using session = await engine.createSession();
    for (const { ids, greedy_ids } of fixture.reference().prompts) {
      const tokens = [...ids, ...greedy_ids.slice(0, 32)];
      await session.truncate(0);
      const dense = await session.evaluate(tokens, { mode: 'dense', logits: 'all' });
      await session.truncate(0);
      const exact = await session.evaluate(tokens, { mode: 'exact', logits: 'all' });
      for (const [i, row] of exact.logits.entries()) {
        expectClose(row, dense.logits[i] ?? [], TOLERANCE);
      }
    }
    const [prompt] = fixture.reference().prompts;
    const cost = async (mode: 'dense' | 'exact'): Promise<{ ffn: number; all: number }> => {
      await session.truncate(0);
      const options = { mode, maxTokens: 33, ignoreEos: true };
      const { decode } = await session.generate(prompt?.ids ?? [], options).result;
      return {
        ffn: decode.ffnBytesRead.cpu / decode.tokens,
        all: decode.bytesRead.cpu / decode.tokens,
      };
    };
    const [dense, exact] = [await cost('dense'), await cost('exact')];
    // A gated neuron costs its gate row always, an ungated one its up row; the rest only if it fires.
    const floor = fixture === demo ? 1 / 3 : 1 / 2;
    expect(exact.ffn / dense.ffn).toBeGreaterThan(floor);
    expect(exact.ffn / dense.ffn).toBeLessThan(floor + 0.2);
    expect(exact.all).toBeLessThan(dense.all);
    console.info(
      `${fixture.name}, decode, per token: exact reads ${Math.round(exact.ffn)} of ` +
        `${Math.round(dense.ffn)} FFN bytes (${(exact.ffn / dense.ffn).toFixed(3)}), ` +
        `${Math.round(exact.all)} of ${Math.round(dense.all)} bytes in all ` +
        `(${(exact.all / dense.all).toFixed(3)})`,
    );
  });

  test('counts the neurons that fire as the reference does', async () => {
    await using engine = await openEngine(fixture.gguf, { kvType: 'f32' });
    await using session = await engine.createSession();
    for (const { ids, active_neurons_last_pos_per_layer } of fixture.reference().prompts) {
      for (const mode of ['exact', 'dense'] as const) {
        await session.truncate(0);
        await session.evaluate(ids.slice(0, -1), { mode, logits: 'none' });
        const { stats } = await session.evaluate(ids.slice(-1), { mode });
        expect(stats.fired).toEqual(active_neurons_last_pos_per_layer);
        expect(stats.neurons).toEqual(engine.info.model.n_ff);
      }
    }
  });
});

test('firing counts of 8,192 tokens equal those of a double-precision run', async ({ skip }) => {
  const path = dataPath('demo-model', 'fires-8k.npy');
  skip(missing(path), 'extra test data');
  const { shape, values } = readNpy(path);
  const expected = Array.from(values, Number);
  expect(shape).toEqual([6, 1024]);
  await using engine = await openEngine(demo.gguf, { kvType: 'f32' });
  const ids = readIds(demo.slice).slice(0, 8192);
  const windows = Array.from({ length: 16 }, (_, i) => ({
    tokens: ids.slice(i * 512, (i + 1) * 512),
    document: 0,
    position: i * 512,
  }));
  const sums = await engine.sum(windows);
  expect(sums.tokens).toEqual(Array(6).fill(8192));
  const counts = sums.fires.flatMap((layer) => Array.from(layer, Number));
  const gaps = counts.map((count, i) => Math.abs(count - (expected[i] ?? Number.NaN)));
  const total = expected.reduce((sum, count) => sum + count, 0);
  // Gates are sums in single precision here and in double precision there. Of 50 million gates
  // a few lie so close to zero that the two disagree about the sign, and no more than that.
  expect(Math.max(...gaps)).toBeLessThanOrEqual(1);
  expect(gaps.reduce((sum, gap) => sum + gap, 0)).toBeLessThanOrEqual(16);
  const off = gaps.filter((gap) => gap > 0).length;
  console.info(`${total} firings of ${counts.length} neurons; ${off} counts differ, by one`);
});

import { join } from 'node:path';
import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { demo, ROOT, readIds } from './support/fixtures.js';
import { readNpy } from './support/npy.js';

const REFERENCE = join(ROOT, 'packages', 'demo-model', 'reference', 'fires-8k.npy');

/** The first 8,192 ids of the slice, as windows of 512. */
function sliceWindows() {
  const ids = readIds(demo.slice).slice(0, 8192);
  return Array.from({ length: 16 }, (_, i) => ({
    tokens: ids.slice(i * 512, (i + 1) * 512),
    document: 0,
    position: i * 512,
  }));
}

// Keys and values in F16 move a few gates across zero; in F32 only rounding does.
describe.each([
  ['f32', 1e-5],
  ['f16', 1e-3],
] as const)('with an %s KV cache', (kvType, tolerance) => {
  test('counts of 8,192 tokens are those of a double-precision run', async () => {
    const expected = Array.from(readNpy(REFERENCE).values, Number);
    await using engine = await openEngine(demo.gguf, { kvType });
    const sums = await engine.sum(sliceWindows());
    expect(sums.tokens).toEqual(engine.model.n_ff.map(() => 8192));
    const counts = sums.fires.flatMap((layer) => Array.from(layer, Number));
    expect(counts).toHaveLength(expected.length);
    const total = expected.reduce((sum, fires) => sum + fires, 0);
    const off = counts.reduce((sum, fires, i) => sum + Math.abs(fires - (expected[i] ?? 0)), 0);
    console.info(
      `${kvType}: ${off} of ${total} firings differ (${(off / total).toExponential(1)})`,
    );
    expect(off / total).toBeLessThanOrEqual(tolerance);
  });
});

test('sums do not depend on threads', async () => {
  const windows = sliceWindows().slice(0, 3);
  const options = { sketch: { salt: 1 } };
  await using one = await openEngine(demo.gguf, { threads: 1 });
  await using three = await openEngine(demo.gguf, { threads: 3 });
  expect(await three.sum(windows, options)).toEqual(await one.sum(windows, options));
});

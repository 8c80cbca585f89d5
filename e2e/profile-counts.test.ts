import { dirname, join } from 'node:path';
import type { ActivationProfile } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import { openCorpus, profileModel, summarizeProfile } from '@thermocline/profiler';
import { describe, expect, test } from 'vitest';
import { demo, missing, swiglu } from './support/fixtures.js';
import { readNpy } from './support/npy.js';

/** Σ |difference| of two sets of firing counts over all firings of the second. */
function deviation({ layers }: ActivationProfile, expected: readonly number[]): number {
  const counts = layers.flatMap(({ fires }) => Array.from(fires, Number));
  expect(counts).toHaveLength(expected.length);
  const gaps = counts.map((count, i) => Math.abs(count - (expected[i] as number)));
  return sum(gaps) / sum(expected);
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

describe('a profile of 8,192 tokens', () => {
  // Counted by a double-precision run of another implementation.
  const { values } = readNpy(join(dirname(demo.slice), 'fires-8k.npy'));
  const expected = Array.from(values, Number);

  test('has the firing counts of the reference', async () => {
    await using engine = await openEngine(demo.gguf, { kvType: 'f32' });
    await using corpus = await openCorpus([demo.slice]);
    const profile = await profileModel(engine, corpus, { tokens: 8_192, context: 512 });
    expect(profile.layers.map(({ tokens }) => tokens)).toEqual(Array(6).fill(8_192));
    const off = deviation(profile, expected);
    expect(off).toBeLessThanOrEqual(1e-5);
    console.info(`Σ|difference| is ${off.toExponential(1)} of the firings`);

    const { layers, model } = summarizeProfile(profile);
    const percent = [...layers, model].map((l) => 100 * (l.neuronsFor80Percent as number));
    for (const [i, share] of [71.6, 68.0, 71.4, 72.3, 73.4, 73.3, 61.9].entries()) {
      expect(Math.abs((percent[i] as number) - share)).toBeLessThan(0.1);
    }
  });

  test('has nearly the same with a KV cache in half precision', async () => {
    await using engine = await openEngine(demo.gguf, { kvType: 'f16' });
    await using corpus = await openCorpus([demo.slice]);
    const profile = await profileModel(engine, corpus, { tokens: 8_192, context: 512 });
    expect(deviation(profile, expected)).toBeLessThanOrEqual(1e-3);
  });
});

test('a SwiGLU model is counted above thresholds of its own', async ({ skip }) => {
  skip(missing(swiglu.gguf), 'extra test data');
  await using engine = await openEngine(swiglu.gguf);
  await using corpus = await openCorpus([demo.slice]);
  const profile = await profileModel(engine, corpus, { sparsity: 0.8 });
  for (const { fires, tokens, threshold } of profile.layers) {
    expect(threshold).toBeGreaterThan(0);
    const fired = Number(fires.reduce((total, count) => total + count, 0n));
    expect(Math.abs(1 - fired / (tokens * fires.length) - 0.8)).toBeLessThan(0.01);
  }
});

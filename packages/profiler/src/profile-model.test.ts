import { type ActivationSource, isPipelineError, type TokenWindow } from '@thermocline/contracts';
import { describe, expect, it } from 'vitest';
import { corpusOf } from './corpus-of.js';
import { profileModel } from './profile-model.js';
import { expectSameCounts } from './testing/same-profile.js';
import { tinyModel } from './testing/tiny-model.js';

const stories = [
  'A small boat went out to sea.',
  'The cat sat on the mat, and the dog sat on the cat. Then both of them fell asleep in the sun.',
  '',
  'One day it rained.',
];
const laws = ['Article 1. All waters are free.', 'Article 2. See Article 1.'];

describe('profileModel', () => {
  it('counts what one sum over all windows counts', async () => {
    const source = tinyModel();
    const profile = await profileModel(source, corpusOf(stories), { context: 16 });
    const windows: TokenWindow[] = [];
    for (const [document, text] of stories.entries()) {
      const tokens = await source.tokenize(text, { addSpecial: true });
      for (let position = 0; position < tokens.length; position += 16) {
        windows.push({ tokens: tokens.subarray(position, position + 16), document, position });
      }
    }
    const sums = await source.sum(windows);
    expect(profile.layers.map(({ tokens }) => tokens)).toEqual(sums.tokens);
    expect(profile.layers.map(({ fires }) => fires)).toEqual(sums.fires);
    expect(profile.layers.map(({ magnitudes }) => magnitudes)).toEqual(sums.magnitudes);
    for (const [
      layer,
      { absSum, contribution, coactivation, threshold },
    ] of profile.layers.entries()) {
      expect(absSum?.[3]).toBeCloseTo(sums.absSum[layer]?.[3] as number, 9);
      expect(contribution?.[3]).toBeCloseTo(sums.contribution?.[layer]?.[3] as number, 9);
      expect(coactivation).toBeInstanceOf(Uint32Array);
      expect(threshold).toBeUndefined();
    }
    const [corpus] = corpusOf(stories).sources;
    expect(profile.corpora).toEqual([
      { name: 'memory', sha256: corpus?.sha256, tokens: sums.tokens[0] },
    ]);
    expect(profile.domains).toBeUndefined();
    expect(profile.shards).toBeUndefined();
    expect(profile.madeBy).toMatchObject({
      tool: '@thermocline/profiler',
      options: { context: 16, tokens: 'all', coactivation: true },
    });
  });

  it('counts domains apart and together', async () => {
    const options = { tokens: 64, context: 16 };
    const profile = await profileModel(tinyModel(), corpusOf({ stories, laws }), options);
    const { domains = [], layers } = profile;
    expect(domains.map(({ name, tokens }) => [name, tokens])).toEqual([
      ['stories', [32, 32, 32]],
      ['laws', [32, 32, 32]],
    ]);
    for (const [layer, { fires, tokens }] of layers.entries()) {
      expect(tokens).toBe(64);
      const sum = fires.map((_, n) =>
        domains.reduce((s, d) => s + (d.fires[layer]?.[n] ?? 0n), 0n),
      );
      expect(sum).toEqual(fires);
    }
    const alone = await profileModel(tinyModel(), corpusOf({ laws }), { tokens: 32, context: 16 });
    expect(alone.domains).toHaveLength(1);
    expect(alone.layers.map(({ fires }) => fires)).toEqual(domains[1]?.fires);
    expect(profile.corpora.map(({ name, tokens }) => [name, tokens])).toEqual([
      ['stories', 32],
      ['laws', 32],
    ]);
  });

  it('reads other documents under another seed, and the same under the same', async () => {
    const many = Array.from({ length: 30 }, (_, i) => `Document ${i}, and what it says.`);
    const profile = (seed: number) =>
      profileModel(tinyModel(), corpusOf(many, { seed }), { tokens: 60 });
    expectSameCounts(await profile(1), await profile(1));
    expect((await profile(1)).layers).not.toEqual((await profile(2)).layers);
  });

  it('chooses thresholds for models without exact zeros, the same in every shard', async () => {
    const source = tinyModel({ activation: 'silu' });
    const notices: string[] = [];
    const profile = (options: object) => profileModel(source, corpusOf(stories), options);
    const onNotice = (notice: string) => notices.push(notice);
    const all = await profile({ sparsity: 0.7, onNotice });
    for (const { fires, tokens, threshold } of all.layers) {
      const fired = Number(fires.reduce((sum, count) => sum + count, 0n));
      expect(1 - fired / (tokens * fires.length)).toBeCloseTo(0.7, 1);
      expect(threshold).toBe(Math.fround(threshold as number));
    }
    expect(notices.join()).toMatch(/silu.* 70 %/);
    expect(all.madeBy?.options).toMatchObject({ sparsity: 0.7 });
    const thresholds = all.layers.map(({ threshold }) => threshold as number);
    const shard = await profile({ sparsity: 0.7, shard: { index: 1, count: 3 }, context: 20 });
    expect(shard.layers.map(({ threshold }) => threshold)).toEqual(
      (await profile({ sparsity: 0.7, context: 20 })).layers.map(({ threshold }) => threshold),
    );
    expectSameCounts(await profile({ thresholds }), all);
  });

  it('says when a source cannot be calibrated', async () => {
    const source = tinyModel({ activation: 'silu' });
    const bare: ActivationSource = {
      ...source,
      sum: async (...args) => {
        const { magnitudes: _, ...sums } = await source.sum(...args);
        return sums;
      },
    };
    await expect(profileModel(bare, corpusOf(stories))).rejects.toThrow('gives no magnitudes');
    const given = await profileModel(bare, corpusOf(stories), { thresholds: [0.1, 0.2, 0.3] });
    expect(given.layers[0]?.magnitudes).toBeUndefined();
    expect(given.layers.map(({ threshold }) => threshold)).toEqual(
      [0.1, 0.2, 0.3].map(Math.fround),
    );
  });

  it('leaves out co-activation when asked', async () => {
    const profile = await profileModel(tinyModel(), corpusOf(stories), { coactivation: false });
    expect(profile.layers[0]?.coactivation).toBeUndefined();
  });

  it('reports progress, and a corpus that is too small', async () => {
    const seen: [number, number | undefined][] = [];
    const notices: string[] = [];
    await profileModel(tinyModel(), corpusOf(stories), {
      tokens: 1_000,
      onProgress: (done, total) => seen.push([done, total]),
      onNotice: (notice) => notices.push(notice),
    });
    expect(seen.length).toBeGreaterThan(1);
    expect(seen.map(([done]) => done)).toEqual(
      seen.map(([done]) => done).toSorted((a, b) => a - b),
    );
    expect(seen[0]?.[1]).toBe(1_000);
    expect(seen.at(-1)).toEqual([144, 144]);
    expect(notices).toEqual(['The corpus has 144 tokens, fewer than the budget of 1,000.']);
  });

  it('stops in the middle when told to', async () => {
    const controller = new AbortController();
    const source = tinyModel({
      onWindow: ({ document }) => {
        if (document === 1) controller.abort();
      },
    });
    const { signal } = controller;
    const error = await profileModel(source, corpusOf(stories), { signal, context: 4 }).catch(
      (e: unknown) => e,
    );
    expect(isPipelineError(error, 'ABORTED')).toBe(true);
    expect(String(error)).toContain('no progress was kept');
  });

  it.each([
    ['an empty corpus', [], {}, 'CORPUS_INVALID'],
    ['a corpus without tokens', [new Int32Array(0)], {}, 'CORPUS_INVALID'],
    ['a budget of nothing', stories, { tokens: 0 }, 'INVALID_ARGUMENT'],
    ['half a token', stories, { tokens: 1.5 }, 'INVALID_ARGUMENT'],
    ['a context too long', stories, { context: 65 }, 'INVALID_ARGUMENT'],
    ['a sparsity of 1', stories, { sparsity: 1 }, 'INVALID_ARGUMENT'],
    ['too few thresholds', stories, { thresholds: [1] }, 'INVALID_ARGUMENT'],
    ['a threshold beyond float32', stories, { thresholds: [1, 1, 1e39] }, 'INVALID_ARGUMENT'],
    ['a negative threshold', stories, { thresholds: [1, 1, -1] }, 'INVALID_ARGUMENT'],
    ['a shard that is not', stories, { shard: { index: 2, count: 2 } }, 'INVALID_ARGUMENT'],
  ])('refuses %s', async (_, contents, options, code) => {
    await expect(profileModel(tinyModel(), corpusOf(contents), options)).rejects.toMatchObject({
      code,
    });
  });
});

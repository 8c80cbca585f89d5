import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ActivationProfile,
  readActivationProfile,
  writeActivationProfile,
} from '@thermocline/contracts';
import { sampleProfile } from '@thermocline/contracts/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { corpusOf } from './corpus-of.js';
import { mergeProfiles } from './merge-profiles.js';
import { profileModel } from './profile-model.js';
import type { ProfileOptions } from './profile-options.js';
import { expectSameCounts } from './testing/same-profile.js';
import { tinyModel } from './testing/tiny-model.js';

const texts = (name: string, count: number) =>
  Array.from({ length: count }, (_, i) => `${name} ${i}: ${'la '.repeat(i % 7)}end.`);

const profile = (contents: Parameters<typeof corpusOf>[0], options: ProfileOptions = {}) =>
  profileModel(tinyModel(), corpusOf(contents, { seed: 1 }), { context: 16, ...options });

const shard = (index: number, count: number) => ({ shard: { index, count } });

describe('merged shards', () => {
  it('equal the single run, in any order and grouping', async () => {
    const property = fc.asyncProperty(
      fc.integer({ min: 1, max: 7 }),
      fc.integer({ min: 1, max: 300 }),
      fc.boolean(),
      fc.infiniteStream(fc.nat()),
      async (count, tokens, domains, random) => {
        const contents = domains ? { a: texts('A', 5), b: texts('B', 3) } : texts('C', 6);
        const single = await profile(contents, { tokens });
        const rest: ActivationProfile[] = [];
        for (let i = 0; i < count; i++) {
          rest.push(await profile(contents, { tokens, ...shard(i, count) }));
        }
        // Takes two at a time until one is left; until then it knows what is missing.
        const take = () => rest.splice((random.next().value as number) % rest.length, 1);
        while (rest.length > 1) {
          const merged = mergeProfiles([...take(), ...take()]);
          expect(merged.shards === undefined).toBe(rest.length === 0);
          rest.push(merged);
        }
        const [merged] = rest as [ActivationProfile];
        expectSameCounts(merged, single);
        expect({ ...merged, layers: [], domains: [] }).toEqual({
          ...single,
          layers: [],
          domains: [],
        });
      },
    );
    await fc.assert(property, { numRuns: 30 });
  });

  it('equal the single run of a model without exact zeros', async () => {
    const run = (options: ProfileOptions) =>
      profileModel(tinyModel({ activation: 'silu' }), corpusOf(texts('D', 6)), options);
    const shards = await Promise.all([0, 1, 2].map((i) => run(shard(i, 3))));
    expectSameCounts(mergeProfiles(shards), await run({}));
  });

  it('keep sources apart that the run has twice', async () => {
    // A text in two domains: the same name and hash in both.
    const corpus = corpusOf({ a: texts('Q', 6), b: texts('Q', 6) }, { seed: 1 });
    const sources = corpus.sources.map((source) => ({ ...source, name: 'same.txt' }));
    const run = (options: ProfileOptions) =>
      profileModel(tinyModel(), { ...corpus, sources }, { context: 16, ...options });
    const single = await run({});
    expect(new Set(single.corpora.map(({ name, sha256 }) => `${name} ${sha256}`)).size).toBe(1);
    expect(single.corpora).toHaveLength(2);
    const shards = await Promise.all([0, 1, 2].map((i) => run(shard(i, 3))));
    expect(mergeProfiles(shards).corpora).toEqual(single.corpora);
  });

  it('go through files, and leave the parts as they were', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'thermocline-merge-'));
    const a = await profile(texts('E', 4), shard(0, 2));
    const b = await profile(texts('E', 4), shard(1, 2));
    const before = structuredClone(a);
    await writeActivationProfile(join(folder, 'ab'), mergeProfiles([a, b]));
    expect(a).toEqual(before);
    expectSameCounts(await readActivationProfile(join(folder, 'ab')), await profile(texts('E', 4)));
    await rm(folder, { recursive: true });
  });
});

describe('mergeProfiles', () => {
  it('adds up runs over different texts', async () => {
    const [a, b] = [await profile(texts('F', 3)), await profile(texts('G', 3))];
    const merged = mergeProfiles([a, b]);
    expect(merged.corpora).toEqual([...a.corpora, ...b.corpora]);
    const fires = a.layers[1]?.fires.map((count, n) => count + (b.layers[1]?.fires[n] ?? 0n));
    expect(merged.layers[1]?.fires).toEqual(fires);
    expect(merged.madeBy?.options['parts']).toEqual([a.madeBy, b.madeBy]);
    expect(() => mergeProfiles([merged, b])).toThrow('hold the same run');
  });

  it('unites domains by name, and names what has none', async () => {
    const a = await profile({ story: texts('H', 3), law: texts('I', 3) });
    const b = await profile({ law: texts('J', 3) });
    const c = await profile(texts('K', 3));
    const { domains, layers } = mergeProfiles([a, b, c]);
    expect(domains?.map(({ name }) => name)).toEqual(['story', 'law', 'unnamed']);
    const tokens = (p: ActivationProfile, domain: number) => p.domains?.[domain]?.tokens[0] ?? 0;
    expect(domains?.[1]?.tokens[0]).toBe(tokens(a, 1) + tokens(b, 0));
    expect(domains?.[2]?.fires).toEqual(c.layers.map(({ fires }) => fires));
    const folder = await mkdtemp(join(tmpdir(), 'thermocline-merge-'));
    // The writer checks that domains add up to the whole.
    await writeActivationProfile(join(folder, 'abc'), { ...a, domains: domains ?? [], layers });
    await rm(folder, { recursive: true });
  });

  it('keeps optional arrays only where all have them', async () => {
    const a = await profile(texts('L', 3));
    const b = await profile(texts('M', 3), { coactivation: false });
    const [layer] = mergeProfiles([a, b]).layers;
    expect(layer?.coactivation).toBeUndefined();
    expect(layer?.magnitudes).toBeDefined();
    const sample = sampleProfile();
    expect(mergeProfiles([sample]).layers.map((l) => Object.keys(l).sort())).toEqual(
      sample.layers.map((l) => Object.keys(l).sort()),
    );
  });

  it('counts a text twice only when told to', async () => {
    const a = await profile(texts('N', 8), { tokens: 50 });
    const b = await profile(texts('N', 8), { tokens: 60 });
    expect(() => mergeProfiles([a, b])).toThrow('both counted memory');
    expect(mergeProfiles([a, b], { allowOverlap: true }).corpora).toMatchObject([{ tokens: 110 }]);
  });

  it.each([
    ['nothing', () => [], 'at least one'],
    ['a shard twice', () => Promise.all([part(0, 2), part(0, 2)]), 'x and y both hold shard 0/2'],
    ['other cuts', () => Promise.all([part(0, 2), part(1, 4)]), 'cut into 2 and 4 parts'],
    ['a part and all', () => Promise.all([part(0, 2), part(0, 1)]), 'one of them whole'],
    ['a run twice', () => Promise.all([part(0, 1), part(0, 1)]), 'the same run'],
    ['other settings', () => Promise.all([part(0, 2), part(1, 2, { context: 9 })]), 'may overlap'],
    ['thresholds', () => Promise.all([part(0, 2), cut([1, 2, 3])]), 'fires above zero in x'],
    ['other thresholds', () => Promise.all([cut([1, 2, 3]), cut([1, 2, 4])]), 'layer 2'],
  ])('refuses %s', async (_, make, message) => {
    const profiles = await make();
    expect(() => mergeProfiles(profiles, { names: ['x', 'y'] })).toThrow(message);
  });

  it('refuses another model', async () => {
    const a = await profile(texts('O', 2));
    expect(() => mergeProfiles([a, { ...a, fingerprint: 'other' }], { names: ['x', 'y'] })).toThrow(
      expect.objectContaining({
        code: 'ARTIFACT_MODEL_MISMATCH',
        details: expect.objectContaining({ path: 'y' }),
      }),
    );
    const fewer = { ...a, model: { ...a.model, n_ff: [1, 2, 3] } };
    expect(() => mergeProfiles([a, fewer])).toThrow('other numbers of neurons');
  });

  const part = (index: number, count: number, options: ProfileOptions = {}) =>
    profile(texts('P', 4), { ...shard(index, count), ...options });
  const cut = (thresholds: number[]) => profile(texts(thresholds.join(), 4), { thresholds });
});

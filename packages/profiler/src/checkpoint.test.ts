import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readActivationProfile, writeActivationProfile } from '@thermocline/contracts';
import { sampleProfile } from '@thermocline/contracts/testing';
import fc from 'fast-check';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { pauseBetweenWrites, removeCheckpoint } from './checkpoint.js';
import { corpusOf } from './corpus-of.js';
import { profileModel } from './profile-model.js';
import type { CheckpointOptions, ProfileOptions } from './profile-options.js';
import { expectSameCounts } from './testing/same-profile.js';
import { tinyModel } from './testing/tiny-model.js';

const contents = {
  stories: Array.from({ length: 9 }, (_, i) => `Story ${i}: ${'and then '.repeat(i)}the end.`),
  laws: Array.from({ length: 4 }, (_, i) => `Article ${i}. All waters are free.`),
};
const corpus = corpusOf(contents, { seed: 3 });

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thermocline-checkpoint-'));
});
let files = 0;
beforeEach(() => {
  path = join(folder, `progress-${files++}`);
});
afterAll(() => rm(folder, { recursive: true }));

/** Reads until `windows` have been read, then fails or aborts. */
function until(windows: number, how: 'fail' | 'abort', activation: 'relu' | 'silu') {
  const controller = new AbortController();
  let read = 0;
  const source = tinyModel({
    activation,
    onWindow: () => {
      if (read++ < windows) return;
      if (how === 'fail') throw new Error('the cable was pulled');
      controller.abort();
    },
  });
  return { source, signal: controller.signal, read: () => read };
}

const settings: ProfileOptions = { context: 8 };
const keep = (options: Partial<CheckpointOptions> = {}) => ({
  checkpoint: { path, everyMs: 50, ...options },
});

describe('the pause between two writes', () => {
  it('loses at most 30 s where that can be', () => {
    const times = fc.double({ min: 0, max: 12_000, noNaN: true });
    fc.assert(
      fc.property(times, times, (write, group) => {
        const pause = pauseBetweenWrites(write, group);
        const shortest = Math.max(1_000, write);
        expect(pause).toBeGreaterThanOrEqual(shortest);
        if (pause > shortest) expect(pause + 2 * write + 2 * group).toBeLessThan(30_000.001);
      }),
    );
  });

  it('is long where writing takes long, and short where groups do', () => {
    expect(pauseBetweenWrites(0, 200)).toBe(10_000);
    expect(pauseBetweenWrites(1_000, 200)).toBe(20_000);
    expect(pauseBetweenWrites(2_000, 2_000)).toBe(22_000);
    expect(pauseBetweenWrites(500, 20_000)).toBe(1_000);
    expect(pauseBetweenWrites(14_000, 2_000)).toBe(14_000);
  });
});

describe('a checkpoint', () => {
  it('takes any number of interruptions without changing a bit', async () => {
    const property = fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(30), fc.constantFrom('fail', 'abort')), { maxLength: 5 }),
      fc.constantFrom('relu', 'silu'),
      fc.constantFrom(1, 3),
      async (stops, activation, count) => {
        const run = { ...settings, shard: { index: 0, count } };
        const whole = await profileModel(tinyModel({ activation }), corpus, run);
        path = join(folder, `progress-${files++}`);
        for (const [windows, how] of stops) {
          const { source, signal } = until(windows, how, activation);
          const code = how === 'abort' ? { code: 'ABORTED' } : { message: 'the cable was pulled' };
          const profile = profileModel(source, corpus, { ...run, ...keep({ everyMs: 4 }), signal });
          await profile.catch((error: unknown) => expect(error).toMatchObject(code));
        }
        const source = tinyModel({ activation });
        expectSameCounts(
          await profileModel(source, corpus, { ...run, ...keep({ everyMs: 4 }) }),
          whole,
        );
      },
    );
    await fc.assert(property, { numRuns: 10 });
  });

  it('goes on where it was, and says so', async () => {
    const first = until(20, 'abort', 'relu');
    const stopped = profileModel(first.source, corpus, {
      ...settings,
      ...keep(),
      signal: first.signal,
    });
    await expect(stopped).rejects.toThrow(`kept in ${path}; run again to go on`);
    const saved = await readActivationProfile(path);
    expect(saved.layers[0]?.tokens).toBeGreaterThan(0);
    const all = until(1e9, 'fail', 'relu');
    await profileModel(all.source, corpus, settings);
    const rest = until(1e9, 'fail', 'relu');
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    await profileModel(rest.source, corpus, { ...settings, ...keep(), onNotice });
    // The window it stopped at belonged to a group, which is read again.
    expect(rest.read()).toBeLessThan(all.read());
    expect(rest.read()).toBeGreaterThanOrEqual(all.read() - 20);
    expect(notices[0]).toContain(`progress in ${path}: ${saved.layers[0]?.tokens} tokens`);
  });

  it('keeps a finished run until it is removed', async () => {
    const whole = await profileModel(tinyModel(), corpus, { ...settings, ...keep() });
    const none = until(0, 'fail', 'relu');
    const again = await profileModel(none.source, corpus, { ...settings, ...keep() });
    expect(again).toEqual(whole);
    await writeFile(`${path}.4711-0badcafe.tmp`, 'of a killed write');
    await writeFile(`${path}.other`, 'of someone else');
    await removeCheckpoint(path);
    const left = (await readdir(folder)).filter((name) => join(folder, name).startsWith(path));
    expect(left.map((name) => join(folder, name))).toEqual([`${path}.other`]);
    await removeCheckpoint(path);
  });

  it('writes no more often than asked', async () => {
    let last: Uint8Array | undefined;
    let writes = 0;
    const source = tinyModel({
      onWindow: async () => {
        const now = await readFile(path);
        if (last === undefined || Buffer.compare(last, now) !== 0) writes++;
        last = now;
      },
    });
    await profileModel(source, corpus, { ...settings, ...keep({ everyMs: 60_000 }) });
    expect(writes).toBe(1);
    await expect(
      profileModel(source, corpus, { ...settings, ...keep({ everyMs: -1 }) }),
    ).rejects.toThrow('checkpoint.everyMs');
  });

  it.each<[string, ProfileOptions, RegExp]>([
    ['tokens', { tokens: 100 }, /tokens "all", not 100/],
    ['context', { context: 9 }, /context 8, not 9/],
    ['shards', { shard: { index: 1, count: 2 } }, /shard .*"index":0.* not .*"index":1/],
    ['co-activation', { coactivation: false }, /coactivation true, not false/],
    ['firing rules', { thresholds: [0, 0, 0] }, /thresholds null, not \[0,0,0\]/],
  ])('of other %s is refused', async (_, other, message) => {
    await profileModel(tinyModel(), corpus, { ...settings, ...keep() });
    const run = (options: ProfileOptions) =>
      profileModel(tinyModel(), corpus, { ...settings, ...other, ...options });
    await expect(run(keep())).rejects.toMatchObject({
      code: 'CHECKPOINT_MISMATCH',
      message: expect.stringMatching(message),
      details: { path },
    });
    await expect(run(keep())).rejects.toThrow('--restart');
    expectSameCounts(await run(keep({ restart: true })), await run({}));
  });

  it('of another model, corpus or order is refused', async () => {
    await profileModel(tinyModel(), corpus, { ...settings, ...keep() });
    const options = { ...settings, ...keep() };
    const code = 'CHECKPOINT_MISMATCH';
    const silu = tinyModel({ activation: 'silu' });
    await expect(profileModel(silu, corpus, options)).rejects.toMatchObject({ code });
    for (const [other, reason] of [
      [corpusOf({ ...contents, laws: ['No laws.'] }, { seed: 3 }), 'another corpus'],
      [corpusOf({ ...contents }, { seed: 4 }), 'corpus {"seed":3}, not {"seed":4}'],
      [corpusOf(contents.laws), 'domains'],
    ] as const) {
      const error = profileModel(tinyModel(), other, options);
      await expect(error).rejects.toMatchObject({ code, message: expect.stringContaining(reason) });
    }
  });

  it('of a corpus that reads differently today is refused', async () => {
    const { source, signal } = until(20, 'abort', 'relu');
    const stopped = profileModel(source, corpus, { ...settings, ...keep(), signal });
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' });
    const changed = { ...corpusOf({ ...contents, stories: ['One.'] }), ...sourcesOf(corpus) };
    const error = profileModel(tinyModel(), changed, { ...settings, ...keep() });
    await expect(error).rejects.toMatchObject({ code: 'CHECKPOINT_MISMATCH' });
    function sourcesOf({ sources, settings: how }: typeof corpus) {
      return { sources, settings: how };
    }
  });

  it('that is damaged is refused with the way out', async () => {
    await profileModel(tinyModel(), corpus, { ...settings, ...keep() });
    const good = await readFile(path);
    const run = () => profileModel(tinyModel(), corpus, { ...settings, ...keep() });
    const flipped = Buffer.from(good);
    flipped[flipped.length - 9] = (flipped.at(-9) as number) ^ 1;
    const foreign = Buffer.from('{"not": "a checkpoint"}');
    for (const bytes of [
      flipped,
      good.subarray(0, -1),
      good.subarray(0, 40),
      foreign,
      Buffer.of(),
    ]) {
      await writeFile(path, bytes);
      await expect(run()).rejects.toMatchObject({
        code: 'ARTIFACT_CORRUPT',
        message: expect.stringContaining('--restart'),
      });
    }
    await rm(path);
    const progress = { phase: 'count', next: 'now', complete: false, taken: [] };
    const options = { settings: {}, shard: {}, progress, digest: '' };
    const madeBy = { tool: 'progress of @thermocline/profiler', version: '', options };
    await writeActivationProfile(path, { ...sampleProfile(), madeBy });
    await expect(run()).rejects.toThrow('holds no progress');
    await writeActivationProfile(path, sampleProfile());
    await expect(run()).rejects.toThrow('holds no progress');
  });

  it('that cannot be written is known at once', async () => {
    path = join(folder, 'nowhere', 'progress');
    const { source, read } = until(1e9, 'fail', 'relu');
    await expect(profileModel(source, corpus, { ...settings, ...keep() })).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
    expect(read()).toBe(0);
  });
});

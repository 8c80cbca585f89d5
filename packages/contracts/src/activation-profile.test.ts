import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type ActivationProfile,
  MAGNITUDE_BINS,
  magnitudeBinStart,
  readActivationProfile,
  writeActivationProfile,
} from './activation-profile.js';
import { artifactSuite } from './testing/artifact-suite.js';
import { profileCodec } from './testing/codecs.js';
import { rewrite } from './testing/edit-artifact.js';
import { sampleProfile } from './testing/sample-artifacts.js';

artifactSuite('activation profile', profileCodec);

describe('activation profile', () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thermocline-profile-'));
    path = join(folder, 'profile');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it('reads layers by number, 10 after 2', async () => {
    await writeActivationProfile(path, sampleProfile());
    const { layers } = await readActivationProfile(path);
    expect(layers.map((layer) => layer.fires.length)).toEqual(sampleProfile().model.n_ff);
  });

  it('keeps counts beyond 32 bits exactly', async () => {
    const { domains: _, ...profile } = sampleProfile();
    const tokens = Number.MAX_SAFE_INTEGER;
    profile.layers[0] = { tokens, fires: new BigInt64Array(8).fill(BigInt(tokens)) };
    await writeActivationProfile(path, profile);
    const { layers } = await readActivationProfile(path);
    expect(layers[0]).toEqual({ tokens, fires: new BigInt64Array(8).fill(BigInt(tokens)) });
  });

  it('gives back any counts and sums', async () => {
    const layer = fc.record({
      fires: fc.bigInt64Array({ min: 0n, max: 1000n, minLength: 8, maxLength: 8 }),
      absSum: fc.float64Array({ min: 0, noNaN: true, max: 1e300, minLength: 8, maxLength: 8 }),
    });
    await fc.assert(
      fc.asyncProperty(layer, async ({ fires, absSum }) => {
        const { domains: _, ...profile } = sampleProfile();
        profile.layers[0] = { tokens: 1000, fires, absSum };
        await writeActivationProfile(path, profile);
        expect((await readActivationProfile(path)).layers[0]).toEqual(profile.layers[0]);
      }),
      { numRuns: 25 },
    );
  });

  it.each<[string, (profile: ActivationProfile) => void]>([
    ['layers', (profile) => profile.layers.pop()],
    ['neuron 3 fired', (profile) => firstLayer(profile).fires.fill(-1n, 3, 4)],
    ['neuron 0 fired', (profile) => firstLayer(profile).fires.fill(5_000_000_001n, 0, 1)],
    ['tokens', (profile) => Object.assign(firstLayer(profile), { tokens: 0.5 })],
    [
      'of 8 neurons',
      (profile) => Object.assign(firstLayer(profile), { fires: new BigInt64Array(7) }),
    ],
    ['abs_sum of neuron 2', (profile) => firstLayer(profile).absSum?.fill(Number.NaN, 2, 3)],
    ['contribution of neuron 1', (profile) => firstLayer(profile).contribution?.fill(-1, 1, 2)],
    ['bins', (profile) => Object.assign(firstLayer(profile), { magnitudes: new BigInt64Array(9) })],
    ['threshold -1', (profile) => Object.assign(firstLayer(profile), { threshold: -1 })],
    ['hashes for 8', (profile) => Object.assign(firstLayer(profile), { coactivation: TWO })],
    ['neuron 1 do not ascend', (profile) => firstLayer(profile).coactivation?.fill(7, 16, 32)],
    ['one name', (profile) => Object.assign(profile, { domains: [domain(0), domain(0)] })],
    ['0 of 12 layers', (profile) => Object.assign(domain(1, profile), { fires: [] })],
    ['domains have', (profile) => domain(0, profile).tokens.fill(1, 3, 4)],
    ['in the domains, not', (profile) => domain(1, profile).fires[4]?.fill(0n)],
    ['negative count', (profile) => domain(0, profile).fires[4]?.fill(-1n)],
    ['shard 4 of 4', (profile) => profile.shards?.push({ run: 'x', index: 4, count: 4 })],
    ['twice', (profile) => profile.shards?.push(...profile.shards)],
  ])('does not write nonsense: %s', async (words, spoil) => {
    const profile = sampleProfile();
    spoil(profile);
    const write = writeActivationProfile(join(folder, 'nonsense'), profile);
    await expect(write).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { reason: expect.stringContaining(words) },
    });
    const read = readActivationProfile(join(folder, 'nonsense'));
    await expect(read).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it('believes no run of more shards than there can be', async () => {
    const profile = sampleProfile();
    profile.shards = [{ run: 'x', index: 0, count: Number.MAX_SAFE_INTEGER }];
    await expect(writeActivationProfile(path, profile)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { argument: 'shards' },
    });
  });

  it('says so when the file is a model, and when its folder is missing', async () => {
    await writeFile(path, `GGUF${'x'.repeat(100)}`);
    await expect(readActivationProfile(path)).rejects.toThrow(/it is a GGUF model/);
    await writeFile(path, 'Once upon a time there was a little girl.');
    await expect(readActivationProfile(path)).rejects.toThrow(/not begin like a safetensors/);
    const nowhere = writeActivationProfile(join(folder, 'no', 'profile'), sampleProfile());
    await expect(nowhere).rejects.toThrow(/there is no such folder to write to/);
  });

  it.each(['layers.12.fires', 'layers.01.fires', 'layers.x.fires', 'layers.-1.fires'])(
    'refuses a tensor of no layer: %s',
    async (name) => {
      await writeActivationProfile(path, sampleProfile());
      await rewrite(path, ({ tensors }) => {
        tensors.push({ name, type: 'I64', shape: [1], data: new BigInt64Array(1) });
      });
      await expect(readActivationProfile(path)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
    },
  );

  it.each(['layers.10.fires', 'layers.11.tokens'])('requires %s', async (name) => {
    await writeActivationProfile(path, sampleProfile());
    await rewrite(path, ({ tensors }) => {
      tensors.splice(
        tensors.findIndex((tensor) => tensor.name === name),
        1,
      );
    });
    await expect(readActivationProfile(path)).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      details: { path, reason: expect.stringContaining(name) },
    });
  });

  it('has magnitude bins from 2⁻²⁴ to 2⁸', () => {
    expect(magnitudeBinStart(0)).toBe(2 ** -24);
    expect(magnitudeBinStart(192)).toBe(1);
    expect(magnitudeBinStart(MAGNITUDE_BINS)).toBe(256);
  });
});

function firstLayer(profile: ActivationProfile) {
  return profile.layers[0] as ActivationProfile['layers'][number];
}

const TWO = Uint32Array.of(1, 2);

function domain(index: number, profile = sampleProfile()) {
  return profile.domains?.[index] as NonNullable<ActivationProfile['domains']>[number];
}

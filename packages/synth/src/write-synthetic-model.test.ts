import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { resolveRecipe } from './recipe.js';
import {
  planSyntheticModel,
  type SyntheticModelOptions,
  writeSyntheticModel,
} from './write-synthetic-model.js';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thermocline-synth-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function hash(shape: string, options: SyntheticModelOptions): Promise<string> {
  const path = join(folder, 'model.gguf');
  const { bytes } = await writeSyntheticModel(path, shape, options);
  const data = await readFile(path);
  expect(data.length).toBe(bytes);
  return createHash('sha256').update(data).digest('hex').slice(0, 16);
}

describe('writeSyntheticModel', () => {
  // These bytes are the same on every machine. Where they have to change, raise RECIPE_VERSION.
  it.each<[string, SyntheticModelOptions, string]>([
    ['tiny', {}, '1d83746950e4842d'],
    ['tiny', { type: 'F16' }, 'fa6984b008302b4f'],
    ['tiny', { type: 'Q8_0' }, '2ea96ddc0994f3cf'],
    ['tiny', { layout: 'packed' }, '2f8112e9aecd3131'],
    ['tiny-drelu', { skew: 1.2, sparsity: 0.8 }, '4d806f9de55d8bb8'],
    ['tiny-opt', { predictability: 0.7 }, '2841138e5d533f32'],
    ['tiny-falcon', {}, '405835f6f219ee37'],
    ['tiny', { layout: 'packed', order: 'hottest-first' }, 'bb3943ba677138ba'],
    ['tiny-moe', { seed: 7 }, 'b3c69ea8f44642bf'],
  ])('writes %s %o as ever', async (shape, options, expected) => {
    expect(await hash(shape, options)).toBe(expected);
  });

  it('writes other numbers for another seed', async () => {
    expect(await hash('tiny', { seed: 2 })).not.toBe(await hash('tiny', { seed: 3 }));
  });

  it('leaves nothing when it is stopped', async () => {
    const controller = new AbortController();
    const path = join(folder, 'stopped.gguf');
    const writing = writeSyntheticModel(path, 'tiny', {
      signal: controller.signal,
      onProgress: () => controller.abort(),
      layers: 20,
    });
    await expect(writing).rejects.toMatchObject({ code: 'ABORTED' });
    expect((await readdir(folder)).filter((name) => name.startsWith('stopped'))).toEqual([]);
  });

  it('asks for room before it begins', async () => {
    const writing = writeSyntheticModel(join(folder, 'large.gguf'), 'falcon-40b', {
      type: 'F16',
      layers: 512,
      signal: AbortSignal.abort(), // should this drive have the room
    });
    await expect(writing).rejects.toMatchObject({
      code: 'IO_ERROR',
      message: expect.stringContaining('the drive has'),
    });
  });

  it('misses a folder that is not there', async () => {
    const writing = writeSyntheticModel(join(folder, 'no', 'm.gguf'), 'tiny');
    await expect(writing).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });

  it.each<[string, SyntheticModelOptions]>([
    ['tiny', { type: 'Q5_K' as 'Q4_0' }],
    ['tiny', { layout: 'other' as 'usual' }],
    ['tiny-moe', { layout: 'packed' }],
  ])('refuses %s as %o', async (shape, options) => {
    await expect(writeSyntheticModel(join(folder, 'x'), shape, options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });

  it('knows the sizes of a file without writing it', () => {
    const { parameters, bytes } = planSyntheticModel('bamboo-7b');
    expect(parameters / 1e9).toBeCloseTo(7.242, 3); // Mistral 7B has 7.24 billion
    expect((8 * bytes) / parameters).toBeCloseTo(4.5, 2);
    expect(planSyntheticModel('tinyllama-1.1b').parameters).toBe(1_100_048_384); // as published
    expect(resolveRecipe('opt-6.7b').rank).toBe(576);
  });
});

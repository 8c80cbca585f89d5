import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fnv1a64, GOLDEN_FILES, writeGoldenFiles } from './golden-files.js';

const FIXTURES = fileURLToPath(new URL('../../fixtures', import.meta.url));

describe('golden artifacts', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thermocline-golden-'));
    await writeGoldenFiles(folder);
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(Object.entries(GOLDEN_FILES))('reads %s as it was meant', async (name, codec) => {
    expect(await codec.read(join(FIXTURES, name))).toEqual(codec.sample());
  });

  it.each([...Object.keys(GOLDEN_FILES), 'expected.txt', 'expected.json'])(
    'still writes the bytes of %s',
    async (name) => {
      const [made, kept] = await Promise.all(
        [folder, FIXTURES].map((parent) => readFile(join(parent, name))),
      );
      expect(made?.equals(kept as Buffer)).toBe(true);
    },
  );

  it('hashes as FNV-1a does', () => {
    expect(fnv1a64(Buffer.from(''))).toBe('cbf29ce484222325');
    expect(fnv1a64(Buffer.from('foobar'))).toBe('85944171f73967e8');
  });
});

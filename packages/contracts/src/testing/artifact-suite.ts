import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { writeArtifact } from '../artifact.js';
import { type ErrorCode, isPipelineError } from '../errors.js';
import { rebuild } from './edit-artifact.js';

/** A reader and a writer of one artifact format, of this package or of somebody else's. */
export interface ArtifactCodec<T extends { fingerprint: string }> {
  /** What `__metadata__.format` must say. */
  format: string;
  sample(): T;
  write(path: string, value: T): Promise<void>;
  read(path: string, options?: { fingerprint?: string }): Promise<T>;
}

/**
 * What every reader and writer of artifacts owes its users; call it at the top of a test file.
 *
 * @example
 * artifactSuite('my reader', { ...profileCodec, read: readWithMyCode });
 */
export function artifactSuite<T extends { fingerprint: string }>(
  name: string,
  codec: ArtifactCodec<T>,
): void {
  describe(`${name}: artifact suite`, () => {
    let folder: string;
    let good: Buffer;
    const file = (fileName: string) => join(folder, fileName);

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'thermocline-suite-'));
      await codec.write(file('good'), codec.sample());
      good = await readFile(file('good'));
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    async function readBytes(bytes: Uint8Array): Promise<T> {
      await writeFile(file('changed'), bytes);
      return codec.read(file('changed'));
    }
    async function errorOf(action: Promise<unknown>): Promise<ErrorCode> {
      const error = await action.then(
        () => expect.fail('was read without an error'),
        (thrown: unknown) => thrown,
      );
      if (!isPipelineError(error)) throw error;
      expect(error.message).toContain(folder);
      return error.code;
    }

    it('reads back what was written', async () => {
      expect(await codec.read(file('good'))).toEqual(codec.sample());
    });

    it('says what it is', async () => {
      const { metadata } = await rebuild(file('good'));
      expect(metadata.get('format')).toBe(codec.format);
      expect(metadata.get('format_version')).toBe('1');
      expect(metadata.get('fingerprint')).toBe(codec.sample().fingerprint);
    });

    it('writes the same bytes again', async () => {
      await codec.write(file('again'), await codec.read(file('good')));
      expect(good.equals(await readFile(file('again')))).toBe(true);
    });

    it('accepts the model it was made for', async () => {
      const { fingerprint } = codec.sample();
      expect(await codec.read(file('good'), { fingerprint })).toEqual(codec.sample());
    });

    it('refuses another model', async () => {
      const read = codec.read(file('good'), { fingerprint: 'another' });
      expect(await errorOf(read)).toBe('ARTIFACT_MODEL_MISMATCH');
    });

    it('refuses another format and another version', async () => {
      const withMetadata = async (key: string, value: string | undefined) => {
        const { metadata, tensors } = await rebuild(file('good'));
        if (value === undefined) metadata.delete(key);
        else metadata.set(key, value);
        await writeArtifact(file('other'), metadata, tensors);
        return errorOf(codec.read(file('other')));
      };
      expect(await withMetadata('format', 'thermocline.something-else')).toBe('ARTIFACT_FORMAT');
      expect(await withMetadata('format', undefined)).toBe('ARTIFACT_FORMAT');
      expect(await withMetadata('format_version', '2')).toBe('ARTIFACT_VERSION');
      expect(await withMetadata('format_version', undefined)).toBe('ARTIFACT_VERSION');
    });

    it('refuses a model of another shape', async () => {
      const { metadata, tensors } = await rebuild(file('good'));
      const model = JSON.parse(metadata.get('model') as string);
      model.n_ff[3] += 1;
      await writeArtifact(file('shape'), metadata.set('model', JSON.stringify(model)), tensors);
      expect(await errorOf(codec.read(file('shape')))).toBe('ARTIFACT_CORRUPT');
    });

    it('reads tensors and metadata it does not know as if they were not there', async () => {
      const { metadata, tensors } = await rebuild(file('good'));
      tensors.push({
        name: 'layers.3.later',
        type: 'F32',
        shape: [0, 7],
        data: new Float32Array(),
      });
      await writeArtifact(file('later'), metadata.set('later', 'x'), tensors);
      expect(await codec.read(file('later'))).toEqual(codec.sample());
    });

    it('says when there is no such file', async () => {
      expect(await errorOf(codec.read(file('absent')))).toBe('FILE_NOT_FOUND');
    });

    it('refuses a file cut short at any boundary, or with bytes left over', async () => {
      const { starts } = await rebuild(file('good'));
      const cuts = new Set([0, 1, 7, 8, 9, good.length - 1]);
      for (const start of starts) for (const cut of [start - 1, start, start + 1]) cuts.add(cut);
      cuts.delete(good.length);
      for (const cut of cuts) {
        expect(await errorOf(readBytes(good.subarray(0, cut))), `cut at ${cut}`).toBe(
          'ARTIFACT_CORRUPT',
        );
      }
      const longer = Buffer.concat([good, Buffer.alloc(1)]);
      expect(await errorOf(readBytes(longer))).toBe('ARTIFACT_CORRUPT');
    });

    it('meets a flipped bit with a typed error or a value that is valid', async () => {
      // Every byte of the length, a third of the header's, and a sample of the values.
      const { starts } = await rebuild(file('good'));
      const headerEnd = Math.min(...starts);
      for (let at = 0; at < good.length; at += at < 8 ? 1 : at < headerEnd ? 3 : 61) {
        const bytes = Buffer.from(good);
        bytes[at] = (bytes[at] as number) ^ (1 << (at % 7));
        try {
          await codec.write(file('valid'), await readBytes(bytes));
        } catch (error) {
          const typed = isPipelineError(error) && error.code.startsWith('ARTIFACT_');
          if (!typed) throw new Error(`bit flipped in byte ${at}`, { cause: error });
        }
      }
      // Thousands of files are written and synced: seconds, but many on a busy drive.
    }, 180_000);
  });
}

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { readTokenIds } from './read-token-ids.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-npy-'));
afterAll(() => rmSync(folder, { recursive: true }));

function npy(description: string, data: Uint8Array, version = 1): Buffer {
  const prefix = version === 1 ? 10 : 12;
  const padded = `${description.padEnd(128 - prefix - 1)}\n`;
  const length = Buffer.alloc(prefix - 8);
  if (version === 1) length.writeUInt16LE(padded.length);
  else length.writeUInt32LE(padded.length);
  const magic = Buffer.from([0x93, ...Buffer.from('NUMPY'), version, 0]);
  return Buffer.concat([magic, length, Buffer.from(padded), data]);
}

function describeArray(type: string, shape: string, fortran = 'False'): string {
  return `{'descr': '${type}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
}

async function read(content: Uint8Array): Promise<number[]> {
  const path = join(folder, 'ids.npy');
  writeFileSync(path, content);
  return [...(await readTokenIds(path))];
}

describe('readTokenIds', () => {
  it.each([
    ['|u1', Uint8Array.of(1, 2, 250)],
    ['|i1', Int8Array.of(1, 2, 100)],
    ['<u2', Uint16Array.of(1, 2, 60_000)],
    ['<i4', Int32Array.of(1, 2, 2_000_000_000)],
    ['<u4', Uint32Array.of(1, 2, 2_000_000_000)],
    ['<i8', BigInt64Array.of(1n, 2n, 128_255n)],
    ['<u8', BigUint64Array.of(1n, 2n, 128_255n)],
  ])('reads %s', async (type, values) => {
    const content = npy(describeArray(type, '(3,)'), new Uint8Array(values.buffer));
    expect(await read(content)).toEqual([...values].map(Number));
  });

  it('reads big-endian values and a header of version 2', async () => {
    const content = npy(describeArray('>u2', '(2,)'), Uint8Array.of(1, 0, 0, 7), 2);
    expect(await read(content)).toEqual([256, 7]);
  });

  it('reads an empty array', async () => {
    expect(await read(npy(describeArray('<i4', '(0,)'), new Uint8Array()))).toEqual([]);
  });

  it.each([
    ['floats', npy(describeArray('<f4', '(1,)'), new Uint8Array(4)), /integers/],
    ['two dimensions', npy(describeArray('|u1', '(2, 2)'), new Uint8Array(4)), /one dimension/],
    ['negative ids', npy(describeArray('|i1', '(1,)'), Uint8Array.of(255)), /no token id/],
    ['a cut file', npy(describeArray('<u2', '(3,)'), new Uint8Array(5)), /do not fill/],
    ['a huge shape', npy(describeArray('<u2', '(9007199254740991,)'), new Uint8Array(2)), /fill/],
    ['another file', Buffer.from('GGUF and more text'), /numpy\.save/],
  ])('refuses %s', async (_, content, message) => {
    await expect(read(content)).rejects.toThrow(message);
    await expect(read(content)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
  });

  it('names a missing file', async () => {
    await expect(readTokenIds(join(folder, 'none.npy'))).rejects.toMatchObject({
      code: 'FILE_NOT_FOUND',
    });
  });

  it('gives ids or a typed error for every mutation of a file', async () => {
    const valid = npy(describeArray('<u2', '(4,)'), new Uint8Array(8));
    const mutation = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 });
    await fc.assert(
      fc.asyncProperty(mutation, fc.nat(valid.length), async (changes, length) => {
        const content = Buffer.from(valid);
        for (const [at, value] of changes) content[at] = value;
        await read(content.subarray(0, length)).catch((error: unknown) => {
          expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        });
      }),
      { numRuns: 200 },
    );
  });
});

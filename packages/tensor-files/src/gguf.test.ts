import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openGguf } from './gguf.js';
import { readFloats, readHalfBits } from './read-numbers.js';
import type { StoredArray } from './stored-array.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-gguf-'));
afterAll(() => rmSync(folder, { recursive: true }));

const u32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
};
const u64 = (value: number) => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
};
const f32 = (value: number) => {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
};
const text = (value: string) => Buffer.concat([u64(Buffer.byteLength(value)), Buffer.from(value)]);

interface Content {
  magic?: string;
  version?: number;
  keys?: Buffer[];
  tensors?: { name: string; ne: number[]; type: number; data: Buffer; offset?: number }[];
}

/** A GGUF file as its writers make it. */
function gguf({ magic = 'GGUF', version = 3, keys = [], tensors = [] }: Content): Buffer {
  let offset = 0;
  const infos: Buffer[] = [];
  const data: Buffer[] = [];
  for (const tensor of tensors) {
    const sizes = tensor.ne.map(u64);
    const place = u64(tensor.offset ?? offset);
    const { name, ne, type } = tensor;
    infos.push(Buffer.concat([text(name), u32(ne.length), ...sizes, u32(type), place]));
    data.push(tensor.data, Buffer.alloc((32 - (tensor.data.length % 32)) % 32));
    offset += Math.ceil(tensor.data.length / 32) * 32;
  }
  const head = [Buffer.from(magic), u32(version), u64(tensors.length), u64(keys.length)];
  const header = Buffer.concat([...head, ...keys, ...infos]);
  return Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), ...data]);
}

const KEYS = [
  Buffer.concat([text('general.architecture'), u32(8), text('llama')]),
  Buffer.concat([text('powerinfer.sparse_threshold'), u32(6), f32(0.25)]),
  Buffer.concat([text('tokenizer.ggml.tokens'), u32(9), u32(8), u64(2), text('a'), text('bc')]),
  Buffer.concat([text('tokenizer.ggml.scores'), u32(9), u32(6), u64(2), f32(1), f32(2)]),
  Buffer.concat([text('long'), u32(8), text('x'.repeat(5000))]),
];
const VALUES = Buffer.from(Float32Array.from({ length: 6 }, (_, i) => i / 2).buffer);
const TENSORS = [
  { name: 'wide', ne: [3, 2], type: 0, data: VALUES },
  { name: 'halves', ne: [2], type: 1, data: Buffer.from([0x00, 0x3c, 0x00, 0xc0]) },
  { name: 'blocks', ne: [32, 1], type: 8, data: Buffer.alloc(34, 1) },
  { name: 'other', ne: [32], type: 12, data: Buffer.alloc(32) },
];

let files = 0;
function write(bytes: Buffer): string {
  const path = join(folder, `${files++}.gguf`);
  writeFileSync(path, bytes);
  return path;
}

describe('openGguf', () => {
  it.each(['GGUF', 'PWRI'])(
    'reads keys and tensors of a file that begins with %s',
    async (magic) => {
      await using file = await openGguf(write(gguf({ magic, keys: KEYS, tensors: TENSORS })));
      expect(file.magic).toBe(magic);
      expect(file.metadata.get('general.architecture')).toBe('llama');
      expect(file.metadata.get('powerinfer.sparse_threshold')).toBe(0.25);
      expect([...file.metadata.keys()]).not.toContain('long');
      expect(file.tensor('wide')).toEqual({ name: 'wide', type: 'F32', ne: [3, 2], bytes: 24 });
      const wide = await file.array('wide');
      expect(wide.shape).toEqual([2, 3]);
      expect([...(await readFloats(wide))]).toEqual([0, 0.5, 1, 1.5, 2, 2.5]);
      const halves = await file.array('halves');
      expect([...(await readFloats(halves))]).toEqual([1, -2]);
      expect([...(await readHalfBits(halves as StoredArray & { type: 'f16' }))]).toEqual([
        0x3c00, 0xc000,
      ]);
      expect(await file.read('blocks')).toEqual(Buffer.alloc(34, 1));
    },
  );

  it('reads a header that is longer than what is read first', async () => {
    const long = 'y'.repeat(3 << 20);
    const keys = [...KEYS, Buffer.concat([text('template'), u32(8), text(long)])];
    await using file = await openGguf(write(gguf({ keys, tensors: TENSORS })));
    expect([...(await readFloats(await file.array('wide')))]).toHaveLength(6);
  });

  it('says which tensors it does not read', async () => {
    await using file = await openGguf(write(gguf({ tensors: TENSORS })));
    expect(file.names.has('other')).toBe(true);
    expect(() => file.tensor('other')).toThrow(/"other" is of a type \(12\).*Q4_0/);
    expect(() => file.tensor('none')).toThrow(/"none" is missing/);
    await expect(file.array('blocks')).rejects.toThrow(/"blocks" is of type Q8_0/);
  });

  const [sound] = TENSORS as [(typeof TENSORS)[number]];
  it.each([
    ['another magic', gguf({ magic: 'GGML' }), /not a GGUF file/],
    ['nothing', Buffer.alloc(0), /another kind|ends too early/],
    ['version 1', gguf({ version: 1 }), /version 1 is not read/],
    ['the other byte order', gguf({ version: 0x0300_0000 }), /big-endian/],
    ['a cut header', gguf({ keys: KEYS }).subarray(0, 60), /ends too early/],
    ['2^40 keys', Buffer.concat([Buffer.from('GGUF'), u32(3), u64(0), u64(2 ** 40)]), /more than/],
    [
      'a text longer than the file',
      gguf({ keys: [Buffer.concat([text('a'), u32(8), u64(2 ** 33)])] }),
      /larger than the file/,
    ],
    [
      'a list of lists',
      gguf({ keys: [Buffer.concat([text('a'), u32(9), u32(9), u64(1)])] }),
      /list of values of type 9/,
    ],
    ['no such value', gguf({ keys: [Buffer.concat([text('a'), u32(77)])] }), /77 is no type/],
    ['five dimensions', gguf({ tensors: [{ ...sound, ne: [1, 1, 1, 2, 3] }] }), /5 dimensions/],
    ['a tensor twice', gguf({ tensors: [sound, sound] }), /twice/],
    ['a tensor out of line', gguf({ tensors: [{ ...sound, offset: 4 }] }), /not aligned/],
  ])('refuses %s', async (_, bytes, message) => {
    const path = write(bytes);
    await expect(openGguf(path)).rejects.toThrow(message);
    await expect(openGguf(path)).rejects.toMatchObject({ name: 'PipelineError' });
  });

  it.each([
    ['beyond the file', { ne: [2 ** 20, 2 ** 10] }, /beyond the end/],
    ['of half a block', { ne: [31], type: 8 }, /31 of Q8_0/],
    ['larger than numbers are', { ne: [2 ** 52, 2 ** 52] }, /of F32/],
  ])('refuses a tensor %s before anything is allocated', async (_, change, message) => {
    const path = write(gguf({ tensors: [{ ...sound, ...change }] }));
    await using file = await openGguf(path);
    await expect(file.read('wide')).rejects.toThrow(message);
  });

  it('names a file that is not there, and one that is a folder', async () => {
    await expect(openGguf(join(folder, 'none'))).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
    await expect(openGguf(folder)).rejects.toThrow(/not a regular file/);
  });

  it('answers every damage', async () => {
    const bytes = gguf({ keys: KEYS.slice(0, 4), tensors: TENSORS });
    const change = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    const path = join(folder, 'damaged.gguf');
    await fc.assert(
      fc.asyncProperty(change, fc.nat(bytes.length), async (list, cut) => {
        const copy = Buffer.from(bytes);
        for (const [at, value] of list) copy[at] = value;
        writeFileSync(path, copy.subarray(0, cut % 3 === 0 ? cut : undefined));
        try {
          await using file = await openGguf(path);
          for (const name of file.names) await file.read(name);
        } catch (error) {
          expect(error).toMatchObject({ name: 'PipelineError' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

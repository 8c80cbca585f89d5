import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readFloats } from './read-numbers.js';
import { readTorch, readTorchStateDict } from './read-torch.js';

const FIXTURES = join(import.meta.dirname, '..', 'fixtures');
const SOUND = readFileSync(join(FIXTURES, 'int64.pt'));
const STORED_PICKLE = (() => {
  const from = SOUND.indexOf(Buffer.from([0x80, 2]));
  return SOUND.subarray(from, SOUND.indexOf('Rq\x0b.', from) + 4);
})();

interface Options {
  method?: number;
  checksum?: number;
  size?: number;
}

/** A zip archive of files that are stored as they are, with what a header may say wrongly. */
function zip(files: [name: string, content: Buffer][], options: Options = {}): Buffer {
  const locals: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of files) {
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(options.method ?? 0, 4);
    fields.writeUInt32LE(options.checksum ?? crc32(content), 10);
    fields.writeUInt32LE(options.size ?? content.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), fields, Buffer.from(name), content]);
    const rest = Buffer.alloc(14);
    rest.writeUInt32LE(offset, 10);
    central.push(Buffer.from('PK\x01\x02\0\0', 'latin1'), fields, rest, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(files.length, 8);
  end.writeUInt16LE(files.length, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, directory, end]);
}

const VALUES = Buffer.from(BigInt64Array.from({ length: 20 }, (_, i) => BigInt(i)).buffer);
const archive = (pickle = STORED_PICKLE, values = VALUES, options: Options = {}) =>
  zip(
    [
      ['a/data.pkl', pickle],
      ['a/data/0', values],
    ],
    options,
  );

/** An archive in which many names stand for the same bytes. */
function overlapping(count: number): Buffer {
  const shared = zip([['a/x', Buffer.alloc(9000)]]);
  const start = shared.indexOf('PK\x01\x02', 0, 'latin1');
  const entry = shared.subarray(start, start + 46 + 'a/x'.length);
  const directory = Array.from({ length: count }, (_, i) => {
    const copy = Buffer.from(entry);
    copy.write(String(i), copy.length - 1);
    return copy;
  });
  const end = Buffer.from(shared.subarray(start + entry.length));
  end.writeUInt16LE(count, 8);
  end.writeUInt16LE(count, 10);
  end.writeUInt32LE(count * entry.length, 12);
  return Buffer.concat([shared.subarray(0, start), ...directory, end]);
}

async function counts(bytes: Buffer): Promise<number[]> {
  const array = await readTorch('a.pt', bytes);
  return Array.from(await readFloats(array));
}

describe('readTorch', () => {
  it('reads an archive of torch and one of ours', async () => {
    expect(await counts(SOUND)).toHaveLength(20);
    expect(await counts(archive())).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it('reads values of the other byte order where the archive says so', async () => {
    const files: [string, Buffer][] = [
      ['a/data.pkl', STORED_PICKLE],
      ['a/data/0', Buffer.from(VALUES).swap64()],
      ['a/byteorder', Buffer.from('big')],
    ];
    expect(await counts(zip(files))).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });

  it.each([
    ['compressed files', archive(STORED_PICKLE, VALUES, { method: 8 }), /compressed/],
    ['a wrong checksum', archive(STORED_PICKLE, VALUES, { checksum: 7 }), /checksum/],
    ['a size beyond the file', archive(STORED_PICKLE, VALUES, { size: 2 ** 31 }), /zip archive/],
    ['a storage that is too short', archive(STORED_PICKLE, VALUES.subarray(8)), /152 bytes for 20/],
    ['a missing storage', zip([['a/data.pkl', STORED_PICKLE]]), /storage "0" is missing/],
    ['another archive', zip([['a.txt', Buffer.from('x')]]), /another zip archive/],
    [
      'two tensors',
      zip([
        ['a/data.pkl', STORED_PICKLE],
        ['b/data.pkl', STORED_PICKLE],
      ]),
      /another/,
    ],
    [
      'a file twice',
      zip([
        ['a/data.pkl', STORED_PICKLE],
        ['a/data.pkl', VALUES],
      ]),
      /twice/,
    ],
    ['a long pickle', archive(Buffer.alloc((1 << 20) + 1)), /1 MiB/],
    [
      'very many files',
      zip(Array.from({ length: 2000 }, (_, i) => [`a/${i}`, Buffer.alloc(0)])),
      /more than 1024/,
    ],
    ['files that overlap', overlapping(3), /its files overlap/],
    ['an empty archive', zip([]), /another zip archive/],
    ['no archive', Buffer.from('PK'), /zip archive/],
    ['nothing', Buffer.alloc(0), /no zip archive/],
  ])('refuses %s', async (_, bytes, message) => {
    await expect(counts(bytes)).rejects.toThrow(message);
    await expect(counts(bytes)).rejects.toMatchObject({ name: 'PipelineError' });
  });

  it('answers every damage behind a right checksum', async () => {
    const changes = fc.array(fc.tuple(fc.nat(STORED_PICKLE.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(200), async (list, length) => {
        const pickle = Buffer.from(STORED_PICKLE);
        for (const [at, value] of list) pickle[at] = value;
        const values = VALUES.subarray(0, length);
        await counts(archive(pickle, values)).catch((error: unknown) => {
          expect(error).toMatchObject({ name: 'PipelineError' });
        });
      }),
      { numRuns: 500 },
    );
  });

  it('answers every damage to the archive itself', async () => {
    const changes = fc.array(fc.tuple(fc.nat(SOUND.length - 1), fc.nat(255)), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(changes, fc.nat(80), fc.boolean(), async (list, cut, ours) => {
        const bytes = Buffer.from(ours ? archive() : SOUND);
        // Mostly in the directory at the end, where the sizes and places are.
        for (const [at, value] of list) bytes[bytes.length - 1 - (at % 200)] = value;
        await counts(bytes.subarray(0, bytes.length - (cut > 60 ? cut : 0))).catch(
          (error: unknown) => expect(error).toMatchObject({ name: 'PipelineError' }),
        );
      }),
      { numRuns: 1000 },
    );
  });
});

describe('readTorchStateDict', () => {
  const read = async (name: string) => {
    const path = join(FIXTURES, name);
    return readTorchStateDict(path, readFileSync(path));
  };

  it.each([
    ['state-dict.pt', 'f32'],
    ['state-dict-half.pt', 'f16'],
    ['dict-bfloat16.pt', 'bf16'],
  ])('reads the tensors of %s by their names', async (name, type) => {
    const tensors = await read(name);
    expect([...tensors.keys()]).toEqual(['fc1.weight', 'fc2.weight']);
    const [first, second] = [...tensors.values()];
    if (!first || !second) throw new Error('two tensors are in it');
    expect([first.type, first.shape, second.shape]).toEqual([type, [3, 4], [5, 3]]);
    expect([...(await readFloats(first))]).toEqual(Array.from({ length: 12 }, (_, i) => i / 8));
    // Stored by columns: row r of column c is number 5c + r.
    const transposed = Array.from({ length: 15 }, (_, i) => ((i % 3) * 5 + Math.floor(i / 3)) / 8);
    expect([...(await readFloats(second))]).toEqual(transposed);
  });

  it.each([
    ['checkpoint.pt', /"epoch" is no tensor/],
    ['int64.pt', /no dictionary of tensors.*state_dict\(\)/],
  ])('refuses %s', async (name, message) => {
    await expect(read(name)).rejects.toThrow(message);
    await expect(read(name)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
  });

  it('answers every damage', async () => {
    const sound = readFileSync(join(FIXTURES, 'state-dict.pt'));
    const pickle = sound.subarray(sound.indexOf(Buffer.from([0x80, 2])));
    const end = pickle.indexOf('_metadata');
    const change = fc.array(fc.tuple(fc.nat(end), fc.nat(255)), { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(change, async (list) => {
        const damagedPickle = Buffer.from(pickle.subarray(0, pickle.indexOf('PK', end, 'latin1')));
        for (const [at, value] of list) damagedPickle[at] = value;
        const files: [string, Buffer][] = [
          ['a/data.pkl', damagedPickle],
          ['a/data/0', Buffer.alloc(48)],
          ['a/data/1', Buffer.alloc(60)],
        ];
        try {
          for (const tensor of (await readTorchStateDict('a.pt', zip(files))).values()) {
            await readFloats(tensor);
          }
        } catch (error) {
          expect(error).toMatchObject({ name: 'PipelineError' });
        }
      }),
      { numRuns: 500 },
    );
  });
});

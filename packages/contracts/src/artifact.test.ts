import { spawn } from 'node:child_process';
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openArtifact, writeArtifact } from './artifact.js';
import { MAX_HEADER_BYTES } from './artifact-header.js';
import { PipelineError } from './errors.js';
import { TENSOR_TYPES, type TensorData, type TensorType } from './tensor.js';
import { rebuild } from './testing/edit-artifact.js';

let folder: string;
let path: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'thermocline-artifact-'));
  path = join(folder, 'artifact');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const none = new Map<string, string>();

/** A safetensors file with this header, as anybody might send it. */
async function writeRaw(header: string | Uint8Array, dataBytes = 0, length?: bigint) {
  const json = Buffer.from(header);
  const start = Buffer.alloc(8);
  start.writeBigUInt64LE(length ?? BigInt(json.length));
  await writeFile(path, Buffer.concat([start, json, Buffer.alloc(dataBytes)]));
}

async function reasonOf(action: Promise<unknown>): Promise<string> {
  const error = await action.then(
    () => expect.fail('no error'),
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(PipelineError);
  expect(error).toMatchObject({ code: 'ARTIFACT_CORRUPT', details: { path } });
  return (error as PipelineError<'ARTIFACT_CORRUPT'>).details.reason;
}

describe('writeArtifact and openArtifact', () => {
  const tensor = fc
    .tuple(
      fc.constantFrom(...(Object.keys(TENSOR_TYPES) as TensorType[])),
      fc.array(fc.nat(5), { maxLength: 3 }),
      fc.string(),
    )
    .map(([type, shape, name]): TensorData => {
      const length = shape.reduce((product, size) => product * size, 1);
      const bytes = Uint8Array.from({ length: length * 8 }, (_, i) => (i * 37) % 251);
      const data = new TENSOR_TYPES[type](bytes.buffer, 0, length);
      return { name: `t${name}`, type, shape, data };
    });
  const tensors = fc.uniqueArray(tensor, { selector: ({ name }) => name, maxLength: 8 });
  const metadata = fc
    .array(fc.tuple(fc.string(), fc.string()), { maxLength: 4 })
    .map((entries) => new Map(entries));

  it('gives back any tensors and metadata, every array aligned to its element', async () => {
    await fc.assert(
      fc.asyncProperty(metadata, tensors, async (texts, given) => {
        await writeArtifact(path, texts, given);
        const read = await rebuild(path);
        expect(read.metadata).toEqual(texts);
        const byName = (list: TensorData[]) => new Map(list.map((one) => [one.name, one]));
        expect(byName(read.tensors)).toEqual(byName(given));
        for (const [i, { type }] of read.tensors.entries()) {
          expect((read.starts[i] as number) % TENSOR_TYPES[type].BYTES_PER_ELEMENT).toBe(0);
        }
      }),
      { numRuns: 100 },
    );
  });

  it('writes the same bytes whatever the order it was given', async () => {
    await fc.assert(
      fc.asyncProperty(metadata, tensors, async (texts, given) => {
        await writeArtifact(path, texts, given);
        const bytes = await readFile(path);
        await writeArtifact(path, new Map([...texts].reverse()), given.toReversed());
        expect(bytes.equals(await readFile(path))).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  it('reads any bytes with a typed error or as an artifact', async () => {
    const bytes = fc.oneof(fc.uint8Array({ maxLength: 200 }), fc.json().map(Buffer.from));
    await fc.assert(
      fc.asyncProperty(bytes, fc.nat(20), async (header, dataBytes) => {
        await writeRaw(header, dataBytes);
        await openArtifact(path).then(
          (artifact) => artifact.close(),
          (error) => expect(error).toMatchObject({ code: 'ARTIFACT_CORRUPT' }),
        );
      }),
      { numRuns: 200 },
    );
  });

  it('orders layers by number', async () => {
    const data = new Uint8Array(1);
    const names = ['layers.10.x', 'layers.2.x', 'layers.0.x', 'layers.2.a'];
    const given = names.map((name): TensorData => ({ name, type: 'U8', shape: [1], data }));
    await writeArtifact(path, none, given);
    const { tensors: read } = await rebuild(path);
    expect(read.map(({ name }) => name)).toEqual([
      'layers.0.x',
      'layers.2.a',
      'layers.2.x',
      'layers.10.x',
    ]);
  });
});

describe('openArtifact refuses', () => {
  const one = (fields: object) =>
    JSON.stringify({ x: { dtype: 'U8', shape: [4], data_offsets: [0, 4], ...fields } });

  it.each<[string, string, number]>([
    ['unknown type', one({ dtype: 'F8_E4M3' }), 4],
    ['unknown type', one({ dtype: 'constructor' }), 4],
    ['cannot lie in', one({ shape: [5] }), 4],
    ['cannot lie in', one({ dtype: 'F64', shape: [2 ** 52, 2 ** 52] }), 4],
    ['cannot lie in', one({ data_offsets: [4, 0] }), 4],
    ['no valid shape', one({ shape: [-4] }), 4],
    ['no valid shape', one({ shape: [4.5] }), 4],
    ['no valid shape', one({ shape: Array(9).fill(1) }), 4],
    ['no valid data_offsets', one({ data_offsets: [0, 4, 8] }), 4],
    ['no valid data_offsets', one({ data_offsets: [0, 2 ** 60] }), 4],
    ['leaves a gap', one({ data_offsets: [1, 5] }), 5],
    ['overlaps', `{"x":${inner(0, 4)},"y":${inner(2, 6)}}`, 6],
    ['tensors end at', one({}), 5],
    ['tensors end at', one({}), 3],
    ['appears twice', `{"x":${inner(0, 4)},"x":${inner(0, 4)}}`, 4],
    ['appears twice', `{"x":${inner(0, 4)},"\\u0078":${inner(0, 4)}}`, 4],
    ['appears twice', '{"__metadata__":{"a":"1","a":"2"}}', 0],
    ['is not a string', '{"__metadata__":{"a":1}}', 0],
    ['not a JSON object', '{"__metadata__":[]}', 0],
    ['not a JSON object', '{"x":null}', 0],
    ['not start with', '[]', 0],
    ['not start with', '', 0],
    ['not valid JSON', '{"x":', 0],
  ])('%s: %s', async (words, header, dataBytes) => {
    await writeRaw(header, dataBytes);
    expect(await reasonOf(openArtifact(path))).toContain(words);
  });

  it('a header that is not UTF-8', async () => {
    await writeRaw(Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x7d]));
    expect(await reasonOf(openArtifact(path))).toContain('UTF-8');
  });

  it.each([3n, BigInt(MAX_HEADER_BYTES) + 1n, 2n ** 63n, 2n ** 64n - 1n])(
    'a header of %d bytes in a file of ten, without allocating it',
    async (length) => {
      await writeRaw('{}', 0, length);
      const before = process.memoryUsage().arrayBuffers;
      expect(await reasonOf(openArtifact(path))).toContain('header');
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1 << 20);
    },
  );

  it('what is not a regular file', async () => {
    await expect(openArtifact(folder)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
  });

  it('a tensor that was cut off after opening', async () => {
    await writeArtifact(path, none, [
      { name: 'x', type: 'U8', shape: [4], data: new Uint8Array(4) },
    ]);
    const artifact = await openArtifact(path);
    await truncate(path, 65);
    expect(await reasonOf(artifact.read('x', 'U8'))).toContain('ends at byte');
    await artifact.close();
  });

  it('to give a tensor as something it is not', async () => {
    await writeArtifact(path, none, [
      { name: 'x', type: 'U8', shape: [4], data: new Uint8Array(4) },
    ]);
    const artifact = await openArtifact(path);
    expect(await reasonOf(artifact.read('y', 'U8'))).toContain('missing');
    expect(await reasonOf(artifact.read('x', 'I8'))).toContain('not I8');
    expect(await reasonOf(artifact.read('x', 'U8', [2, 2]))).toContain('[2, 2]');
    await artifact.close();
  });
});

describe('writeArtifact', () => {
  const good: TensorData = { name: 'x', type: 'F32', shape: [2], data: new Float32Array(2) };

  it.each<[string, TensorData[]]>([
    ['two tensors', [good, good]],
    ['not a tensor name', [{ ...good, name: '__metadata__' }]],
    ['invalid shape', [{ ...good, shape: [-1] }]],
    ['invalid shape', [{ ...good, shape: [2 ** 30, 2 ** 30] }]],
    ['do not fill', [{ ...good, shape: [3] }]],
    ['are a Float32Array', [{ ...good, data: new Float64Array(1) }]],
  ])('refuses %s and leaves nothing behind', async (words, given) => {
    const empty = await mkdtemp(join(folder, 'empty-'));
    await expect(writeArtifact(join(empty, 'x'), none, given)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { reason: expect.stringContaining(words) },
    });
    expect(await readdir(empty)).toEqual([]);
  });

  it('keeps the old file when making the values fails', async () => {
    await writeArtifact(path, none, [good]);
    const before = await readFile(path);
    const fail = () => Promise.reject(new Error('no more values'));
    await expect(writeArtifact(path, none, [{ ...good, data: fail }])).rejects.toThrow('no more');
    expect(before.equals(await readFile(path))).toBe(true);
  });

  it('keeps the old file when the process is killed midway', async () => {
    await writeArtifact(path, none, [good]);
    const before = await readFile(path);
    const script = `
      import { writeArtifact } from ${JSON.stringify(new URL('../dist/index.js', import.meta.url).href)};
      const half = () => { console.log('half'); setInterval(() => {}, 1000); return new Promise(() => {}); };
      const shape = [1 << 20];
      await writeArtifact(${JSON.stringify(path)}, new Map(), [
        { name: 'a', type: 'F32', shape, data: new Float32Array(1 << 20) },
        { name: 'b', type: 'F32', shape, data: half },
      ]);`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise((resolve, reject) => {
      child.stdout.once('data', resolve);
      child.once('exit', () => reject(new Error('the writer ended by itself')));
    });
    child.removeAllListeners('exit');
    // It got as far as writing: half of the new file lies beside the old one.
    expect((await readdir(folder)).some((name) => name.endsWith('.tmp'))).toBe(true);
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await ended;
    expect(before.equals(await readFile(path))).toBe(true);
    expect((await rebuild(path)).tensors).toEqual([good]);
  });

  it('says when the folder is missing', async () => {
    const write = writeArtifact(join(folder, 'no', 'x'), none, [good]);
    await expect(write).rejects.toMatchObject({ code: 'FILE_NOT_FOUND' });
  });
});

function inner(begin: number, end: number): string {
  return JSON.stringify({ dtype: 'U8', shape: [end - begin], data_offsets: [begin, end] });
}

import { type FileHandle, open, stat } from 'node:fs/promises';
import { endianness } from 'node:os';
import {
  type ArtifactHeader,
  decodeHeader,
  decodeHeaderLength,
  encodeHeader,
  HeaderError,
  LENGTH_BYTES,
  MAX_HEADER_BYTES,
} from './artifact-header.js';
import { writeFileAtomically } from './atomic-file.js';
import { PipelineError } from './errors.js';
import { corrupt, fileError } from './file-errors.js';
import {
  compareTensors,
  isTensorType,
  TENSOR_TYPES,
  type TensorArray,
  type TensorData,
  type TensorInfo,
  type TensorType,
  tensorByteLength,
} from './tensor.js';

// One read call takes less than 2 GiB on every system.
const MAX_READ_BYTES = 1 << 26;

/**
 * A safetensors file, opened and checked; values are read when asked for. Close it when done.
 */
export interface Artifact extends ArtifactHeader {
  readonly path: string;
  /**
   * Reads one tensor. Nothing is allocated before type and shape are known to be as expected.
   *
   * @throws PipelineError `ARTIFACT_CORRUPT` when it is missing, different, or cut short
   */
  read<T extends TensorType>(
    name: string,
    type: T,
    shape?: readonly number[],
  ): Promise<TensorArray<T>>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a safetensors file and checks its header against the size of the file: types, shapes and
 * offsets agree, nothing overlaps, nothing is missing and nothing is left over.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `ARTIFACT_CORRUPT`
 *
 * @example
 * const artifact = await openArtifact('story.profile.safetensors');
 * const fires = await artifact.read('layers.0.fires', 'I64');
 * await artifact.close();
 */
export async function openArtifact(path: string): Promise<Artifact> {
  try {
    // Asked before opening: opening a pipe would wait for somebody to write.
    const info = await stat(path);
    if (!info.isFile()) throw corrupt(path, 'not a regular file', 'Name a file');
    const file = await open(path, 'r');
    try {
      return new OpenArtifact(path, file, await readHeader(file, path));
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    if (error instanceof HeaderError) throw corrupt(path, error.message, error.remedy);
    throw fileError(path, error);
  }
}

class OpenArtifact implements Artifact {
  readonly metadata: ArtifactHeader['metadata'];
  readonly tensors: ArtifactHeader['tensors'];

  constructor(
    readonly path: string,
    private readonly file: FileHandle,
    header: ArtifactHeader,
  ) {
    this.metadata = header.metadata;
    this.tensors = header.tensors;
  }

  async read<T extends TensorType>(
    name: string,
    type: T,
    shape?: readonly number[],
  ): Promise<TensorArray<T>> {
    const info = this.tensors.get(name);
    if (info === undefined) throw corrupt(this.path, `the tensor "${name}" is missing`);
    const expected = shape ?? info.shape;
    if (info.type !== type || info.shape.join() !== expected.join()) {
      throw corrupt(
        this.path,
        `tensor "${name}" is ${describe(info)}, not ${describe({ type, shape: expected })}`,
      );
    }
    requireLittleEndian();
    const bytes = await readBytes(this.file, this.path, info.offset, info.byteLength);
    const values: TensorArray = new TENSOR_TYPES[type](bytes.buffer);
    return values as TensorArray<T>;
  }

  close(): Promise<void> {
    return this.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

async function readHeader(file: FileHandle, path: string): Promise<ArtifactHeader> {
  const { size } = await file.stat();
  if (size < LENGTH_BYTES) throw corrupt(path, `${size} bytes are too few for any header`);
  const lengthBytes = await readBytes(file, path, 0, LENGTH_BYTES);
  const length = decodeHeaderLength(lengthBytes, size);
  return decodeHeader(await readBytes(file, path, LENGTH_BYTES, length), size);
}

async function readBytes(file: FileHandle, path: string, offset: number, byteLength: number) {
  const bytes = new Uint8Array(byteLength);
  for (let done = 0; done < byteLength; ) {
    const length = Math.min(MAX_READ_BYTES, byteLength - done);
    const { bytesRead } = await file.read(bytes, done, length, offset + done);
    if (bytesRead === 0) throw corrupt(path, `the file ends at byte ${offset + done}`);
    done += bytesRead;
  }
  return bytes;
}

/**
 * Writes a safetensors file, complete or not at all. Equal input gives equal bytes.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when names repeat or values do not fit their shape,
 * `FILE_NOT_FOUND` when the folder is missing, `IO_ERROR`
 *
 * @example
 * await writeArtifact('x.safetensors', new Map([['format', 'example']]), [
 *   { name: 'x', type: 'F32', shape: [2], data: Float32Array.of(1, 2) },
 * ]);
 */
export async function writeArtifact(
  path: string,
  metadata: ReadonlyMap<string, string>,
  tensors: readonly TensorData[],
): Promise<void> {
  requireLittleEndian();
  const inOrder = [...tensors].sort(compareTensors);
  requireValidTensors(inOrder);
  const header = encodeHeader(metadata, inOrder);
  if (header.length > MAX_HEADER_BYTES) {
    throw invalid('metadata', `the header would have ${header.length} bytes, too many to be read`);
  }
  await writeFileAtomically(path, async (append) => {
    await append(header);
    for (const tensor of inOrder) await append(await bytesOf(tensor));
  });
}

function requireValidTensors(tensors: readonly TensorData[]): void {
  const names = new Set<string>();
  for (const { name, type, shape } of tensors) {
    if (name === '' || name === '__metadata__') throw invalid(name, 'not a tensor name');
    if (names.has(name)) throw invalid(name, 'two tensors have this name');
    names.add(name);
    if (!isTensorType(type)) throw invalid(name, `unknown type ${String(type)}`);
    const valid = shape.every((size) => Number.isSafeInteger(size) && size >= 0);
    if (!valid || tensorByteLength(type, shape) === undefined) throw invalid(name, 'invalid shape');
  }
}

async function bytesOf({ name, type, shape, data }: TensorData): Promise<Uint8Array> {
  const values = typeof data === 'function' ? await data() : data;
  if (!(values instanceof TENSOR_TYPES[type])) {
    throw invalid(name, `the values of a ${type} tensor are a ${TENSOR_TYPES[type].name}`);
  }
  if (values.byteLength !== tensorByteLength(type, shape)) {
    throw invalid(name, `${values.length} values do not fill ${describe({ type, shape })}`);
  }
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function describe({ type, shape }: Pick<TensorInfo, 'type' | 'shape'>): string {
  return `${type} [${shape.join(', ')}]`;
}

function invalid(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument}: ${reason}.`, { argument, reason });
}

function requireLittleEndian(): void {
  if (endianness() === 'LE') return;
  throw new PipelineError('INTERNAL', 'Artifacts are little-endian and this machine is not.', {
    reason: 'big-endian machine',
  });
}

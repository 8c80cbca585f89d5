import { type FileHandle, open, stat } from 'node:fs/promises';
import { fileError } from '@thermocline/contracts';
import {
  GGUF_TYPES,
  GgufError,
  type GgufHeader,
  type GgufType,
  type GgufValue,
  NeedMoreBytes,
  parseGgufHeader,
} from './gguf-header.js';
import { damaged, otherFormat } from './import-error.js';
import { denseStrides, type ElementType, type StoredArray } from './stored-array.js';

const FIRST_READ_BYTES = 1 << 20;
// Vocabularies of 250,000 tokens make headers of some 20 MiB.
const MAX_HEADER_BYTES = 1 << 28;
const MAX_READ_BYTES = 1 << 26;

const ELEMENT_TYPES: Partial<Record<GgufType, ElementType>> = {
  F32: 'f32',
  F16: 'f16',
  BF16: 'bf16',
};

export interface GgufTensor {
  name: string;
  type: GgufType;
  /** Fastest dimension first, as the file has it; a matrix of [ne1 × ne0]. */
  ne: readonly number[];
  bytes: number;
}

/** A GGUF file, opened and checked; values are read when asked for. Close it when done. */
export interface GgufFile {
  readonly path: string;
  /** `PWRI` where PowerInfer wrote it. */
  readonly magic: 'GGUF' | 'PWRI';
  /** Numbers, booleans and short texts. */
  readonly metadata: ReadonlyMap<string, GgufValue>;
  readonly names: ReadonlySet<string>;
  /** @throws PipelineError `ARTIFACT_CORRUPT` when it is missing or of a type that is not read */
  tensor(name: string): GgufTensor;
  /** The bytes of a tensor. @throws PipelineError the same, and `IO_ERROR` */
  read(name: string): Promise<Buffer>;
  /** A tensor of F32, F16 or BF16. @throws PipelineError the same */
  array(name: string): Promise<StoredArray>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Opens a GGUF file, also one that PowerInfer wrote, whose first four bytes are `PWRI`. It reads
 * tensors of F32, F16, BF16, Q8_0 and Q4_0 by name and passes over the rest. Every size is
 * compared with that of the file before anything is allocated.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`
 *
 * @example
 * const file = await openGguf('llama-7b-relu.powerinfer.gguf');
 * const { ne, type } = file.tensor('blk.0.fc1.weight');
 * await file.close();
 */
export async function openGguf(path: string): Promise<GgufFile> {
  try {
    // Asked before opening: opening a pipe would wait for somebody to write.
    const info = await stat(path);
    if (!info.isFile()) throw damaged(path, 'not a regular file', 'Name a file');
    const file = await open(path, 'r');
    try {
      return new OpenGguf(path, file, await readHeader(path, file, info.size), info.size);
    } catch (error) {
      await file.close();
      throw error;
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

async function readHeader(path: string, file: FileHandle, size: number): Promise<GgufHeader> {
  for (let length = FIRST_READ_BYTES; ; length *= 4) {
    const bytes = await readAt(path, file, 0, Math.min(length, size));
    try {
      return parseGgufHeader(bytes, size);
    } catch (error) {
      if (error instanceof GgufError) throw notSound(path, bytes, error.message);
      if (!(error instanceof NeedMoreBytes)) throw error;
      if (length >= size) throw damaged(path, 'it ends too early');
      if (length >= MAX_HEADER_BYTES) throw damaged(path, 'its header is longer than 256 MiB');
    }
  }
}

function notSound(path: string, bytes: Buffer, reason: string) {
  const magic = bytes.toString('latin1', 0, 4);
  if (magic === 'GGUF' || magic === 'PWRI') return damaged(path, reason);
  return otherFormat(path, 'a GGUF file', 'a file of another kind', 'Name a .gguf file');
}

class OpenGguf implements GgufFile {
  readonly magic: GgufFile['magic'];
  readonly metadata: GgufFile['metadata'];
  readonly names: GgufFile['names'];

  constructor(
    readonly path: string,
    private readonly file: FileHandle,
    private readonly header: GgufHeader,
    private readonly size: number,
  ) {
    this.magic = header.magic;
    this.metadata = header.metadata;
    this.names = new Set(header.tensors.keys());
  }

  tensor(name: string): GgufTensor {
    const { type, ne, bytes } = this.#locate(name);
    return { name, type, ne, bytes };
  }

  async read(name: string): Promise<Buffer> {
    const { start, bytes } = this.#locate(name);
    return readAt(this.path, this.file, start, bytes);
  }

  async array(name: string): Promise<StoredArray> {
    const { path } = this;
    const { type, ne } = this.#locate(name);
    const element = ELEMENT_TYPES[type];
    if (element === undefined) {
      throw damaged(path, `tensor "${name}" is of type ${type}`, 'Write it as F32 or F16');
    }
    const bytes = await this.read(name);
    const shape = ne.toReversed();
    const common = { path, tensor: name, type: element, little: true, offset: 0 };
    return { ...common, shape, strides: denseStrides(shape), bytes: () => bytes };
  }

  close(): Promise<void> {
    return this.file.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #locate(name: string) {
    const info = this.header.tensors.get(name);
    if (info === undefined) throw damaged(this.path, `the tensor "${name}" is missing`);
    const { type, ne, offset } = info;
    if (typeof type === 'number') {
      const remedy = `Read are ${Object.keys(GGUF_TYPES).join(', ')}`;
      throw damaged(this.path, `tensor "${name}" is of a type (${type}) that is not read`, remedy);
    }
    const { block, bytes: blockBytes } = GGUF_TYPES[type];
    const bytes = (ne.reduce((product, size) => product * size, 1) / block) * blockBytes;
    const start = this.header.dataStart + offset;
    if ((ne[0] as number) % block !== 0 || !Number.isSafeInteger(bytes)) {
      throw damaged(this.path, `tensor "${name}" is ${ne.join(' × ')} of ${type}`);
    }
    if (start + bytes > this.size) {
      throw damaged(this.path, `tensor "${name}" reaches beyond the end of the file`);
    }
    return { type, ne, start, bytes };
  }
}

async function readAt(
  path: string,
  file: FileHandle,
  position: number,
  length: number,
): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const wanted = Math.min(length - done, MAX_READ_BYTES);
    const { bytesRead } = await file.read(bytes, done, wanted, position + done);
    if (bytesRead === 0) throw damaged(path, 'it became shorter while it was read');
    done += bytesRead;
  }
  return bytes;
}

import { parseStrictJson } from './strict-json.js';
import { compareTensors, isTensorType, type TensorInfo, tensorByteLength } from './tensor.js';

/** Bytes before the header: its length, as a little-endian 64-bit number. */
export const LENGTH_BYTES = 8;

/** No header of ours comes near; a larger number is damage or an attempt to make us allocate. */
export const MAX_HEADER_BYTES = 16 << 20;

// Values start at a multiple of a cache line, so a mapped file gives aligned arrays.
const DATA_ALIGNMENT = 64;
const METADATA_KEY = '__metadata__';
const MAX_DIMENSIONS = 8;

export interface ArtifactHeader {
  metadata: ReadonlyMap<string, string>;
  /** In file order. */
  tensors: ReadonlyMap<string, TensorInfo>;
}

/** Says what is wrong with a header, in one sentence that names the place, and perhaps the way out. */
export class HeaderError extends Error {
  constructor(
    reason: string,
    readonly remedy?: string,
  ) {
    super(reason);
  }
}

/** Lays out tensors and returns the bytes before the first value. Equal input, equal bytes. */
export function encodeHeader(
  metadata: ReadonlyMap<string, string>,
  tensors: readonly Pick<TensorInfo, 'name' | 'type' | 'shape'>[],
): Uint8Array {
  // Pairs and not an object: an object would move keys that look like numbers to the front.
  const entries = [
    [METADATA_KEY, Object.fromEntries([...metadata].sort(([a], [b]) => (a < b ? -1 : 1)))],
  ] as [string, unknown][];
  let offset = 0;
  for (const { name, type, shape } of [...tensors].sort(compareTensors)) {
    const end = offset + (tensorByteLength(type, shape) ?? Number.NaN);
    entries.push([name, { dtype: type, shape, data_offsets: [offset, end] }]);
    offset = end;
  }
  const fields = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const json = Buffer.from(`{${fields.join(',')}}`);
  const dataStart = Math.ceil((LENGTH_BYTES + json.length) / DATA_ALIGNMENT) * DATA_ALIGNMENT;
  const header = Buffer.alloc(dataStart, ' ');
  header.writeBigUInt64LE(BigInt(dataStart - LENGTH_BYTES), 0);
  header.set(json, LENGTH_BYTES);
  return header;
}

/** @throws HeaderError when a header of that length cannot be in a file of `fileBytes` */
export function decodeHeaderLength(bytes: Uint8Array, fileBytes: number): number {
  const length = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    // Usually a file of another kind, whose first bytes are no length at all.
    const isModel = Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'GGUF';
    throw new HeaderError(
      isModel
        ? 'it is a GGUF model, not a safetensors file'
        : `it does not begin like a safetensors file (a header of ${length} bytes, at most ${MAX_HEADER_BYTES} are possible)`,
      'Name an artifact',
    );
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw new HeaderError(`the header has ${length} bytes but the file only ${fileBytes}`);
  }
  return Number(length);
}

/**
 * Reads the JSON header. What comes back is consistent: tensors fill the rest of the file without
 * gap or overlap, and each has exactly the bytes its shape needs.
 *
 * @throws HeaderError
 */
export function decodeHeader(bytes: Uint8Array, fileBytes: number): ArtifactHeader {
  const fields = Object.entries(asObject(parseHeaderJson(bytes), 'the header'));
  const dataStart = LENGTH_BYTES + bytes.length;
  let metadata = new Map<string, string>();
  const tensors: TensorInfo[] = [];
  for (const [name, value] of fields) {
    if (name === METADATA_KEY) metadata = decodeMetadata(value);
    else tensors.push(decodeTensor(name, value, dataStart));
  }
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  requireNoGaps(tensors, dataStart, fileBytes);
  return { metadata, tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])) };
}

function parseHeaderJson(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new HeaderError('the header is not UTF-8');
  }
  if (!text.startsWith('{')) throw new HeaderError('the header does not start with "{"');
  try {
    return parseStrictJson(text);
  } catch (error) {
    throw new HeaderError(`the header is not valid JSON: ${(error as Error).message}`);
  }
}

function decodeMetadata(value: unknown): Map<string, string> {
  const entries = Object.entries(asObject(value, METADATA_KEY));
  for (const [key, text] of entries) {
    if (typeof text !== 'string') throw new HeaderError(`metadata "${key}" is not a string`);
  }
  return new Map(entries as [string, string][]);
}

function decodeTensor(name: string, value: unknown, dataStart: number): TensorInfo {
  const { dtype: type, shape, data_offsets: offsets } = asObject(value, `tensor "${name}"`);
  if (!isTensorType(type)) {
    throw new HeaderError(`tensor "${name}" has the unknown type ${JSON.stringify(type)}`);
  }
  if (!isSizeList(shape) || shape.length > MAX_DIMENSIONS) {
    throw new HeaderError(`tensor "${name}" has no valid shape`);
  }
  if (!isSizeList(offsets) || offsets.length !== 2) {
    throw new HeaderError(`tensor "${name}" has no valid data_offsets`);
  }
  const [begin, end] = offsets as [number, number];
  if (end < begin || tensorByteLength(type, shape) !== end - begin) {
    throw new HeaderError(
      `tensor "${name}" of type ${type} and shape [${shape.join(', ')}] cannot lie in bytes ${begin} to ${end}`,
    );
  }
  return { name, type, shape, offset: dataStart + begin, byteLength: end - begin };
}

function requireNoGaps(tensors: readonly TensorInfo[], dataStart: number, fileBytes: number): void {
  let position = dataStart;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== position) {
      const what = offset < position ? 'overlaps the one before' : 'leaves a gap before it';
      throw new HeaderError(`tensor "${name}" ${what} (byte ${offset}, expected ${position})`);
    }
    position += byteLength;
  }
  if (position !== fileBytes) {
    throw new HeaderError(`the tensors end at byte ${position} but the file at ${fileBytes}`);
  }
}

function asObject(value: unknown, place: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HeaderError(`${place} is not a JSON object`);
  }
  return value as Record<string, unknown>;
}

function isSizeList(value: unknown): value is number[] {
  return (
    Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && Number(item) >= 0)
  );
}

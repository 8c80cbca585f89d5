/** What a GGUF file says before its tensors, in little-endian. */
export interface GgufHeader {
  /** `GGUF`, or `PWRI` where PowerInfer wrote it. */
  magic: 'GGUF' | 'PWRI';
  version: number;
  /** Numbers, booleans and short texts. Lists and long texts are passed over. */
  metadata: Map<string, GgufValue>;
  tensors: Map<string, GgufTensorInfo>;
  /** Byte of the file at which the tensors begin. */
  dataStart: number;
}

export type GgufValue = number | bigint | boolean | string;

/** Types whose values are read; others are only named. */
export const GGUF_TYPES = {
  F32: { code: 0, block: 1, bytes: 4 },
  F16: { code: 1, block: 1, bytes: 2 },
  Q4_0: { code: 2, block: 32, bytes: 18 },
  Q8_0: { code: 8, block: 32, bytes: 34 },
  BF16: { code: 30, block: 1, bytes: 2 },
} as const;
export type GgufType = keyof typeof GGUF_TYPES;

interface GgufTensorInfo {
  /** A type that is read, or the number of another one. */
  type: GgufType | number;
  /** Fastest dimension first, as the file has it. */
  ne: number[];
  /** From the beginning of the tensors, bytes. */
  offset: number;
}

/** What is wrong with a header. */
export class GgufError extends Error {}
/** The header goes on beyond the bytes at hand. */
export class NeedMoreBytes extends Error {}

const MAX_KEYS = 65_536;
const MAX_TENSORS = 1 << 18;
const MAX_NAME_BYTES = 65_535;
const MAX_KEPT_TEXT_BYTES = 1024;
const MAX_ALIGNMENT = 1 << 20;
const DEFAULT_ALIGNMENT = 32;

/** Bytes of a value of each of GGUF's types: U8 I8 U16 I16 U32 I32 F32 BOOL STRING ARRAY U64 I64 F64. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, null, null, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;

/**
 * Reads the header of a GGUF file from its first bytes.
 *
 * @param fileBytes - length of the whole file; nothing may claim to be longer
 * @throws GgufError when it contradicts itself, NeedMoreBytes when it is longer than `bytes`
 */
export function parseGgufHeader(bytes: Buffer, fileBytes: number): GgufHeader {
  const reader = new Reader(bytes, fileBytes);
  const magic = reader.take(4).toString('latin1');
  if (magic !== 'GGUF' && magic !== 'PWRI') throw new GgufError('it does not begin with GGUF');
  const version = reader.u32();
  if (version === 0x0200_0000 || version === 0x0300_0000) {
    throw new GgufError('it is written for big-endian machines');
  }
  if (version !== 2 && version !== 3) throw new GgufError(`version ${version} is not read`);
  const tensorCount = reader.count('tensors', MAX_TENSORS);
  const metadata = readMetadata(reader, reader.count('keys', MAX_KEYS));
  const tensors = readTensors(reader, tensorCount);
  const alignment = alignmentOf(metadata);
  const dataStart = Math.ceil(reader.at / alignment) * alignment;
  for (const [name, { offset }] of tensors) {
    if (offset % alignment !== 0) throw new GgufError(`tensor "${name}" is not aligned`);
  }
  return { magic, version, metadata, tensors, dataStart };
}

function readMetadata(reader: Reader, count: number): Map<string, GgufValue> {
  const metadata = new Map<string, GgufValue>();
  for (let i = 0; i < count; i++) {
    const key = reader.name('key');
    const type = reader.u32();
    const value = type === ARRAY ? passArray(reader) : readValue(reader, type);
    if (value !== undefined) metadata.set(key, value);
  }
  return metadata;
}

function readValue(reader: Reader, type: number): GgufValue | undefined {
  if (type === STRING) {
    const length = reader.length();
    if (length <= MAX_KEPT_TEXT_BYTES) return reader.take(length).toString('utf8');
    reader.pass(length);
    return undefined;
  }
  const width = VALUE_BYTES[type];
  if (typeof width !== 'number') throw new GgufError(`${type} is no type of a value`);
  const bytes = reader.take(width);
  switch (type) {
    case 0:
      return bytes.readUInt8();
    case 1:
      return bytes.readInt8();
    case 2:
      return bytes.readUInt16LE();
    case 3:
      return bytes.readInt16LE();
    case 4:
      return bytes.readUInt32LE();
    case 5:
      return bytes.readInt32LE();
    case 6:
      return bytes.readFloatLE();
    case 7:
      return bytes.readUInt8() !== 0;
    case 10:
      return bytes.readBigUInt64LE();
    case 11:
      return bytes.readBigInt64LE();
    default:
      return bytes.readDoubleLE();
  }
}

/** Vocabularies, mostly: of no use here. */
function passArray(reader: Reader): undefined {
  const type = reader.u32();
  const length = reader.length();
  if (type === STRING) {
    for (let i = 0; i < length; i++) reader.pass(reader.length());
    return;
  }
  const width = VALUE_BYTES[type];
  if (typeof width !== 'number') throw new GgufError(`a list of values of type ${type}`);
  reader.pass(length * width);
}

function readTensors(reader: Reader, count: number): Map<string, GgufTensorInfo> {
  const byCode = new Map(
    Object.entries(GGUF_TYPES).map(([name, { code }]) => [code as number, name as GgufType]),
  );
  const tensors = new Map<string, GgufTensorInfo>();
  for (let i = 0; i < count; i++) {
    const name = reader.name('tensor');
    const dimensions = reader.u32();
    if (dimensions < 1 || dimensions > 4) {
      throw new GgufError(`tensor "${name}" has ${dimensions} dimensions`);
    }
    const ne = Array.from({ length: dimensions }, () => reader.u64(`a size of "${name}"`));
    const code = reader.u32();
    const offset = reader.u64(`the place of "${name}"`);
    if (tensors.has(name)) throw new GgufError(`tensor "${name}" is in it twice`);
    tensors.set(name, { type: byCode.get(code) ?? code, ne, offset });
  }
  return tensors;
}

function alignmentOf(metadata: ReadonlyMap<string, GgufValue>): number {
  const value = metadata.get('general.alignment') ?? DEFAULT_ALIGNMENT;
  const sound =
    typeof value === 'number' && value >= 8 && value <= MAX_ALIGNMENT && value % 8 === 0;
  if (!sound) throw new GgufError(`its alignment is ${String(value)}`);
  return value;
}

class Reader {
  at = 0;

  constructor(
    private readonly bytes: Buffer,
    private readonly fileBytes: number,
  ) {}

  take(length: number): Buffer {
    this.pass(length);
    if (this.at > this.bytes.length) throw new NeedMoreBytes();
    return this.bytes.subarray(this.at - length, this.at);
  }

  pass(length: number): void {
    if (length > this.fileBytes - this.at) throw new GgufError('it ends too early');
    this.at += length;
  }

  u32(): number {
    return this.take(4).readUInt32LE();
  }

  u64(what: string): number {
    const value = Number(this.take(8).readBigUInt64LE());
    if (!Number.isSafeInteger(value)) throw new GgufError(`${what} is too large`);
    return value;
  }

  /** A number of bytes or elements, of which each takes a byte at least. */
  length(): number {
    const value = this.u64('a length');
    if (value > this.fileBytes) throw new GgufError('a length is larger than the file');
    return value;
  }

  count(what: string, most: number): number {
    const value = this.u64(`the number of ${what}`);
    if (value > most) throw new GgufError(`it has ${value} ${what}, more than ${most}`);
    return value;
  }

  name(what: string): string {
    const length = this.length();
    if (length > MAX_NAME_BYTES) throw new GgufError(`the name of a ${what} has ${length} bytes`);
    return this.take(length).toString('utf8');
  }
}

import { TYPE_FACTS } from './weight-types.js';

/** Values a key can have here, by GGUF's number of the type. */
const VALUE_TYPES = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9, f64: 12 } as const;
type ScalarType = Exclude<keyof typeof VALUE_TYPES, 'array'>;

export type GgufValue =
  | { type: 'u32' | 'i32' | 'f32' | 'f64'; value: number }
  | { type: 'bool'; value: boolean }
  | { type: 'string'; value: string }
  | { type: 'array'; item: 'string' | 'f32' | 'i32' | 'u32'; value: readonly (string | number)[] };

export interface GgufTensor {
  name: string;
  type: keyof typeof TYPE_FACTS;
  /** As GGUF orders it: the length of a row first. */
  shape: readonly number[];
}

/** GGUF's default. */
const ALIGNMENT = 32;

/** Bytes of a tensor's data. */
export function tensorBytes({ type, shape }: GgufTensor): number {
  return (shape.reduce((product, size) => product * size, 1) / 32) * TYPE_FACTS[type].blockBytes;
}

/** Bytes up to the next place where a tensor may begin. */
export function padding(bytes: number): number {
  return (ALIGNMENT - (bytes % ALIGNMENT)) % ALIGNMENT;
}

/** Everything before the data of a GGUF file of version 3, padded so that the data can follow. */
export function encodeGgufHeader(
  metadata: ReadonlyMap<string, GgufValue>,
  tensors: readonly GgufTensor[],
): Uint8Array {
  const parts = [Buffer.from('GGUF', 'latin1'), u32(3), u64(tensors.length), u64(metadata.size)];
  for (const [key, entry] of metadata) {
    parts.push(text(key), u32(VALUE_TYPES[entry.type]));
    if (entry.type !== 'array') {
      parts.push(scalar(entry.type, entry.value));
      continue;
    }
    parts.push(u32(VALUE_TYPES[entry.item]), u64(entry.value.length));
    for (const value of entry.value) parts.push(scalar(entry.item, value));
  }
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(text(tensor.name), u32(tensor.shape.length), ...tensor.shape.map(u64));
    parts.push(u32(TYPE_FACTS[tensor.type].id), u64(offset));
    const bytes = tensorBytes(tensor);
    offset += bytes + padding(bytes);
  }
  const header = Buffer.concat(parts);
  return Buffer.concat([header, new Uint8Array(padding(header.length))]);
}

function scalar(type: ScalarType, value: string | number | boolean): Buffer {
  if (type === 'string') return text(String(value));
  if (type === 'bool') return Buffer.from([value ? 1 : 0]);
  const number = Number(value);
  const bytes = Buffer.alloc(type === 'f64' ? 8 : 4);
  if (type === 'f64') bytes.writeDoubleLE(number);
  else if (type === 'f32') bytes.writeFloatLE(number);
  else if (type === 'i32') bytes.writeInt32LE(number);
  else bytes.writeUInt32LE(number);
  return bytes;
}

function u32(value: number): Buffer {
  return scalar('u32', value);
}

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(BigInt(value));
  return bytes;
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([u64(bytes.length), bytes]);
}

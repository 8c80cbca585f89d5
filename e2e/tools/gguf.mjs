// GGUF version 3, read and written in plain JavaScript. Independent of the engine's reader on
// purpose: the tests compare the two. Only for files of our own making, so it trusts them.
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs';
import { encodedBytes, WEIGHT_TYPES, weightTypeOf } from './tensor-codec.mjs';

/** @typedef {import('./tensor-codec.mjs').WeightType} WeightType */
/** @typedef {'u8'|'i8'|'u16'|'i16'|'u32'|'i32'|'f32'|'bool'|'string'|'array'|'u64'|'i64'|'f64'} ValueType */
/** @typedef {string | number | bigint | boolean | string[] | number[]} Value */
/** @typedef {{ type: ValueType, item?: ValueType, value: Value }} Entry */
/** @typedef {{ name: string, shape: number[], type: WeightType, offset: number }} TensorEntry */
/** @typedef {{ path: string, metadata: Map<string, Entry>, tensors: TensorEntry[], dataStart: number }} GgufFile */

/** @type {ValueType[]} in the order of their numbers in the file */
const VALUE_TYPES = [
  ...[
    'u8',
    'i8',
    'u16',
    'i16',
    'u32',
    'i32',
    'f32',
    'bool',
    'string',
    'array',
    'u64',
    'i64',
    'f64',
  ],
].map((name) => /** @type {ValueType} */ (name));
const ALIGNMENT = 32;

/** @param {string} path @returns {GgufFile} */
export function readGguf(path) {
  const head = Buffer.alloc(Math.min(statSync(path).size, 64 << 20));
  withFile(path, 'r', (file) => readSync(file, head, 0, head.length, 0));
  let at = 0;
  /** Steps over bytes and says where they start. @param {number} bytes */
  const take = (bytes) => {
    at += bytes;
    return at - bytes;
  };
  const u32 = () => head.readUInt32LE(take(4));
  const u64 = () => Number(head.readBigUInt64LE(take(8)));
  const string = () => {
    const length = u64();
    const start = take(length);
    return head.toString('utf8', start, start + length);
  };

  /** @param {ValueType} type @returns {string | number | bigint | boolean} */
  function scalar(type) {
    switch (type) {
      case 'u8':
        return head.readUInt8(take(1));
      case 'i8':
        return head.readInt8(take(1));
      case 'bool':
        return head.readUInt8(take(1)) !== 0;
      case 'u16':
        return head.readUInt16LE(take(2));
      case 'i16':
        return head.readInt16LE(take(2));
      case 'u32':
        return u32();
      case 'i32':
        return head.readInt32LE(take(4));
      case 'f32':
        return head.readFloatLE(take(4));
      case 'f64':
        return head.readDoubleLE(take(8));
      case 'u64':
        return head.readBigUInt64LE(take(8));
      case 'i64':
        return head.readBigInt64LE(take(8));
      case 'string':
        return string();
      default:
        throw new Error(`Unexpected value type ${type} in ${path}`);
    }
  }

  if (head.toString('latin1', 0, 4) !== 'GGUF') throw new Error(`${path} is not a GGUF file`);
  at = 4;
  if (u32() !== 3) throw new Error(`${path} is not GGUF version 3`);
  const tensorCount = u64();
  const entryCount = u64();
  /** @type {Map<string, Entry>} */
  const metadata = new Map();
  for (let i = 0; i < entryCount; i++) {
    const key = string();
    const type = typeAt(u32());
    if (type !== 'array') {
      metadata.set(key, { type, value: scalar(type) });
      continue;
    }
    const item = typeAt(u32());
    const values = Array.from({ length: u64() }, () => scalar(item));
    metadata.set(key, { type, item, value: /** @type {string[] | number[]} */ (values) });
  }
  const tensors = Array.from({ length: tensorCount }, () => {
    const name = string();
    const shape = Array.from({ length: u32() }, u64);
    return { name, shape, type: weightTypeOf(u32()), offset: u64() };
  });
  return { path, metadata, tensors, dataStart: align(at) };
}

/** @param {GgufFile} gguf @param {TensorEntry} tensor @returns {Uint8Array} */
export function readTensor(gguf, tensor) {
  const data = new Uint8Array(encodedBytes(tensor.type, elementCount(tensor)));
  withFile(gguf.path, 'r', (file) => {
    const read = readSync(file, data, 0, data.length, gguf.dataStart + tensor.offset);
    if (read !== data.length) throw new Error(`${gguf.path} ends inside ${tensor.name}`);
  });
  return data;
}

/** @param {{ shape: readonly number[] }} tensor */
export function elementCount(tensor) {
  return tensor.shape.reduce((product, size) => product * size, 1);
}

/**
 * Writes a file, asking for one tensor's bytes at a time so that large files fit in memory.
 *
 * @param {string} path
 * @param {ReadonlyMap<string, Entry>} metadata
 * @param {readonly { name: string, shape: number[], type: WeightType }[]} tensors
 * @param {(tensor: { name: string, shape: number[], type: WeightType }) => Uint8Array} encode
 */
export function writeGguf(path, metadata, tensors, encode) {
  /** @type {Buffer[]} */
  const parts = [Buffer.from('GGUF', 'latin1'), number('u32', 3)];
  parts.push(number('u64', tensors.length), number('u64', metadata.size));
  for (const [key, entry] of metadata) {
    parts.push(text(key), number('u32', VALUE_TYPES.indexOf(entry.type)));
    if (entry.type !== 'array') {
      parts.push(encodeValue(entry.type, /** @type {string | number} */ (entry.value)));
      continue;
    }
    const values = /** @type {(string | number)[]} */ (entry.value);
    const item = entry.item ?? 'string';
    parts.push(number('u32', VALUE_TYPES.indexOf(item)), number('u64', values.length));
    for (const value of values) parts.push(encodeValue(item, value));
  }
  let offset = 0;
  for (const tensor of tensors) {
    parts.push(text(tensor.name), number('u32', tensor.shape.length));
    for (const size of tensor.shape) parts.push(number('u64', size));
    parts.push(number('u32', WEIGHT_TYPES[tensor.type].id), number('u64', offset));
    offset = align(offset + encodedBytes(tensor.type, elementCount(tensor)));
  }
  withFile(path, 'w', (file) => {
    writePadded(file, Buffer.concat(parts));
    for (const tensor of tensors) writePadded(file, encode(tensor));
  });
}

/** @param {number} file @param {Uint8Array} data */
function writePadded(file, data) {
  for (let done = 0; done < data.length; ) done += writeSync(file, data, done);
  const padding = align(data.length) - data.length;
  if (padding > 0) writeSync(file, new Uint8Array(padding));
}

/** @param {ValueType} type @param {string | number | bigint | boolean} value @returns {Buffer} */
function encodeValue(type, value) {
  return type === 'string' ? text(String(value)) : number(type, value);
}

/** @param {ValueType} type @param {string | number | bigint | boolean} value @returns {Buffer} */
function number(type, value) {
  const data = Buffer.alloc(8);
  const plain = Number(value);
  const size = {
    u8: () => data.writeUInt8(plain),
    i8: () => data.writeInt8(plain),
    bool: () => data.writeUInt8(plain),
    u16: () => data.writeUInt16LE(plain),
    i16: () => data.writeInt16LE(plain),
    u32: () => data.writeUInt32LE(plain),
    i32: () => data.writeInt32LE(plain),
    f32: () => data.writeFloatLE(plain),
    f64: () => data.writeDoubleLE(plain),
    u64: () => data.writeBigUInt64LE(BigInt(Number.isInteger(value) ? plain : BigInt(value))),
    i64: () => data.writeBigInt64LE(BigInt(Number.isInteger(value) ? plain : BigInt(value))),
    string: () => 0,
    array: () => 0,
  }[type]();
  return data.subarray(0, size);
}

/** @param {string} value @returns {Buffer} */
function text(value) {
  const bytes = Buffer.from(value, 'utf8');
  return Buffer.concat([number('u64', bytes.length), bytes]);
}

/** @param {number} id @returns {ValueType} */
function typeAt(id) {
  const type = VALUE_TYPES[id];
  if (type === undefined) throw new Error(`Metadata type ${id} is unknown`);
  return type;
}

/** @param {number} offset */
const align = (offset) => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

/**
 * @template T
 * @param {string} path @param {string} flags @param {(file: number) => T} use @returns {T}
 */
function withFile(path, flags, use) {
  const file = openSync(path, flags);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

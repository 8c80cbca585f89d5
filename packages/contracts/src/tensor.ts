/** Element types an artifact may hold, as the safetensors format names them. */
export const TENSOR_TYPES = {
  F64: Float64Array,
  I64: BigInt64Array,
  U64: BigUint64Array,
  F32: Float32Array,
  I32: Int32Array,
  U32: Uint32Array,
  /** Raw bits: JavaScript has no half floats. */
  F16: Uint16Array,
  BF16: Uint16Array,
  I16: Int16Array,
  U16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

export type TensorType = keyof typeof TENSOR_TYPES;

interface TensorArrays {
  F64: Float64Array;
  I64: BigInt64Array;
  U64: BigUint64Array;
  F32: Float32Array;
  I32: Int32Array;
  U32: Uint32Array;
  F16: Uint16Array;
  BF16: Uint16Array;
  I16: Int16Array;
  U16: Uint16Array;
  I8: Int8Array;
  U8: Uint8Array;
}

/** The typed array that holds a tensor of type `T`. */
export type TensorArray<T extends TensorType = TensorType> = TensorArrays[T];

/** A tensor's place in a file: everything but its values. */
export interface TensorInfo {
  name: string;
  type: TensorType;
  /** Row-major, slowest dimension first; empty for a single value. */
  shape: readonly number[];
  /** First byte, counted from the start of the file. */
  offset: number;
  byteLength: number;
}

/** A tensor to be written. A function is called when its turn comes, so that one at a time is held. */
export interface TensorData {
  name: string;
  type: TensorType;
  shape: readonly number[];
  data: TensorArray | (() => TensorArray | Promise<TensorArray>);
}

export function isTensorType(type: unknown): type is TensorType {
  return typeof type === 'string' && Object.hasOwn(TENSOR_TYPES, type);
}

/** Bytes of a tensor, or `undefined` where the product is beyond exact integers. */
export function tensorByteLength(type: TensorType, shape: readonly number[]): number | undefined {
  // A zero anywhere makes it empty, whatever the other dimensions.
  if (shape.includes(0)) return 0;
  let total: number = TENSOR_TYPES[type].BYTES_PER_ELEMENT;
  for (const size of shape) {
    total *= size;
    if (!Number.isSafeInteger(total)) return undefined;
  }
  return total;
}

/**
 * The order of tensors in a file: wide elements first, so that every array is aligned to its own
 * element without gaps; then by name, numbers in it compared as numbers (layer 2 before 10).
 */
export function compareTensors(
  a: { name: string; type: TensorType },
  b: { name: string; type: TensorType },
): number {
  const width = (type: TensorType) => TENSOR_TYPES[type].BYTES_PER_ELEMENT;
  return width(b.type) - width(a.type) || compareNames(a.name, b.name);
}

function compareNames(a: string, b: string): number {
  const left = a.split('.');
  const right = b.split('.');
  for (let i = 0; i < Math.min(left.length, right.length); i++) {
    const [x, y] = [left[i] as string, right[i] as string];
    if (x === y) continue;
    if (/^\d+$/.test(x) && /^\d+$/.test(y) && Number(x) !== Number(y)) return Number(x) - Number(y);
    return x < y ? -1 : 1;
  }
  return left.length - right.length;
}

import { damaged } from './import-error.js';

/** Types of numbers that counts come in. */
export const ELEMENTS = {
  i8: { bytes: 1, read: (view: DataView, at: number) => view.getInt8(at) },
  u8: { bytes: 1, read: (view: DataView, at: number) => view.getUint8(at) },
  i16: { bytes: 2, read: (view: DataView, at: number, le: boolean) => view.getInt16(at, le) },
  u16: { bytes: 2, read: (view: DataView, at: number, le: boolean) => view.getUint16(at, le) },
  i32: { bytes: 4, read: (view: DataView, at: number, le: boolean) => view.getInt32(at, le) },
  u32: { bytes: 4, read: (view: DataView, at: number, le: boolean) => view.getUint32(at, le) },
  i64: { bytes: 8, read: (view: DataView, at: number, le: boolean) => view.getBigInt64(at, le) },
  u64: { bytes: 8, read: (view: DataView, at: number, le: boolean) => view.getBigUint64(at, le) },
  f16: {
    bytes: 2,
    read: (view: DataView, at: number, le: boolean) => half(view.getUint16(at, le)),
  },
  bf16: {
    bytes: 2,
    read: (view: DataView, at: number, le: boolean) => brain(view.getUint16(at, le)),
  },
  f32: { bytes: 4, read: (view: DataView, at: number, le: boolean) => view.getFloat32(at, le) },
  f64: { bytes: 8, read: (view: DataView, at: number, le: boolean) => view.getFloat64(at, le) },
} as const;

export type ElementType = keyof typeof ELEMENTS;

/** An array of counts in a file, not yet read as such. */
export interface CountArray {
  path: string;
  /** Its name in the file, where that has several. */
  tensor?: string;
  type: ElementType;
  little: boolean;
  shape: readonly number[];
  /** Elements from one to the next, per dimension. */
  strides: readonly number[];
  /** Element with which it begins. */
  offset: number;
  /** All elements the strides may reach. */
  bytes: () => Uint8Array | Promise<Uint8Array>;
}

/** Strides of an array that lies in one piece, the last dimension fastest. */
export function denseStrides(shape: readonly number[]): number[] {
  const strides = shape.map(() => 1);
  for (let i = shape.length - 2; i >= 0; i--) {
    strides[i] = (strides[i + 1] as number) * (shape[i + 1] as number);
  }
  return strides;
}

/** The same array without dimensions of size 1. */
export function squeeze(array: CountArray): CountArray {
  const kept = [...array.shape.keys()].filter((axis) => array.shape[axis] !== 1);
  const pick = (list: readonly number[]) => kept.map((axis) => list[axis] as number);
  return { ...array, shape: pick(array.shape), strides: pick(array.strides) };
}

/** Index `index` of the first dimension. */
export function row(array: CountArray, index: number): CountArray {
  const offset = array.offset + index * (array.strides[0] as number);
  return { ...array, offset, shape: array.shape.slice(1), strides: array.strides.slice(1) };
}

/** What an error calls an array. */
export function describeArray({ path, tensor }: Pick<CountArray, 'path' | 'tensor'>): string {
  return tensor === undefined ? path : `${path}, "${tensor}"`;
}

/**
 * Reads `length` counts of an array of one dimension (or of none, for a single one).
 *
 * @throws PipelineError `ARTIFACT_CORRUPT` when one of them is no count, naming layer and neuron
 */
export async function readCounts(
  array: CountArray,
  layer: number,
  length: number,
): Promise<BigInt64Array> {
  const bytes = await array.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { bytes: width, read } = ELEMENTS[array.type];
  const stride = array.strides[0] ?? 1;
  const counts = new BigInt64Array(length);
  for (let neuron = 0; neuron < length; neuron++) {
    const at = (array.offset + neuron * stride) * width;
    const value = read(view, at, array.little);
    if (!isCount(value)) {
      const reason = `layer ${layer}, neuron ${neuron}: ${value} is no count`;
      throw damaged(describeArray(array), reason, 'Counts are whole numbers from 0 up');
    }
    counts[neuron] = BigInt(value);
  }
  return counts;
}

function isCount(value: number | bigint): boolean {
  if (typeof value === 'bigint') return value >= 0n && value < 1n << 53n;
  return Number.isSafeInteger(value) && value >= 0;
}

function half(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The upper half of an F32. */
function brain(bits: number): number {
  const view = new DataView(new ArrayBuffer(4));
  view.setUint16(0, bits);
  return view.getFloat32(0);
}

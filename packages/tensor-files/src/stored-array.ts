/** Types of numbers that arrays of other programs come in. */
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
    read: (view: DataView, at: number, le: boolean) => halfToNumber(view.getUint16(at, le)),
  },
  bf16: {
    bytes: 2,
    read: (view: DataView, at: number, le: boolean) => brainToNumber(view.getUint16(at, le)),
  },
  f32: { bytes: 4, read: (view: DataView, at: number, le: boolean) => view.getFloat32(at, le) },
  f64: { bytes: 8, read: (view: DataView, at: number, le: boolean) => view.getFloat64(at, le) },
} as const;

export type ElementType = keyof typeof ELEMENTS;

/** An array of numbers in a file, not yet read as such. */
export interface StoredArray {
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

/** What an error calls an array. */
export function describeArray({ path, tensor }: Pick<StoredArray, 'path' | 'tensor'>): string {
  return tensor === undefined ? path : `${path}, "${tensor}"`;
}

let halves: Float32Array | undefined;

/**
 * The number that the bits of a half float stand for.
 *
 * @example
 * halfToNumber(0x3c00); // 1
 */
export function halfToNumber(bits: number): number {
  // There are few enough of them, and matrices have millions.
  halves ??= Float32Array.from({ length: 1 << 16 }, (_, i) => computeHalf(i));
  return halves[bits] as number;
}

function computeHalf(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

const word = new DataView(new ArrayBuffer(4));

/** BF16 is the upper half of an F32. */
export function brainToNumber(bits: number): number {
  word.setUint16(0, bits);
  word.setUint16(2, 0);
  return word.getFloat32(0);
}

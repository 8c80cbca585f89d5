/** 65,504, the largest finite half float. */
const LARGEST = 0x7bff;

/**
 * Rounds floats to half floats, to nearest and ties to even; what is larger than any half float
 * becomes the largest. Infinities and NaN are refused by saying where the first one is.
 *
 * @param from - as raw bits of float32
 * @param to - raw bits of half floats, from `at` on
 * @returns index of the first value that is not finite, or −1
 *
 * @example
 * const bad = roundToHalf(new Uint32Array(values.buffer), halves, 0);
 */
export function roundToHalf(from: Uint32Array, to: Uint16Array, at: number): number {
  for (let i = 0; i < from.length; i++) {
    const bits = from[i] as number;
    if ((bits & 0x7f800000) === 0x7f800000) return i;
    to[at + i] = halfBits(bits);
  }
  return -1;
}

/** A half float of the bits of a finite float32. */
export function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x38800000) {
    // Normal: 13 bits of the fraction go, and the exponent's bias from 127 to 15.
    const rounded = (magnitude + 0xfff + ((magnitude >>> 13) & 1) - 0x38000000) >>> 13;
    return sign | Math.min(rounded, LARGEST);
  }
  // At most half of the smallest half float, 2⁻²⁴.
  if (magnitude <= 0x33000000) return sign;
  const fraction = (magnitude & 0x7fffff) | 0x800000;
  const shift = 126 - (magnitude >>> 23);
  const kept = fraction >>> shift;
  const rest = fraction & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  return sign | (kept + (rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0));
}

/** The bits of a float32 array, without a copy. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

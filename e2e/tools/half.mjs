// The 16-bit floating-point formats of model files, converted exactly and rounded to nearest even.

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** @param {number} value @returns {number} the nearest IEEE half, as its 16 bits */
export function toHalf(value) {
  float[0] = value;
  const word = bits[0] ?? 0;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00; // NaN
  if (magnitude >= 0x477ff000) return sign | 0x7c00; // rounds to infinity
  if (magnitude < 0x38800000) {
    // Subnormal: the half counts units of 2^-24, which a double holds exactly.
    return sign | roundHalfEven(Math.abs(float[0] ?? 0) * 2 ** 24);
  }
  const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
  return sign | ((rounded - 0x38000000) >>> 13);
}

/** @param {number} half 16 bits @returns {number} */
export function fromHalf(half) {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const fraction = half & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** @param {number} value @returns {number} the nearest bfloat16, as its 16 bits */
export function toBfloat(value) {
  float[0] = value;
  const word = bits[0] ?? 0;
  if ((word & 0x7fffffff) > 0x7f800000) return (word >>> 16) | 0x40;
  return (word + 0x7fff + ((word >>> 16) & 1)) >>> 16;
}

/** @param {number} bfloat 16 bits @returns {number} */
export function fromBfloat(bfloat) {
  bits[0] = bfloat << 16;
  return float[0] ?? 0;
}

/** @param {number} value not negative */
function roundHalfEven(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

// K-quants, encoded and decoded straight from their definitions. 256 values share a half scale d.
// Q4_K and Q5_K: eight blocks of 32 with a scale and a minimum of 6 bits each, and a half scale of
// the minima; a value is d · scale · q - dmin · min. Q6_K: sixteen blocks of 16 with a signed byte as
// scale; d · scale · (q - 32). The encoders take the plainest choice: ends of the range, then
// nearest steps.
import { fromHalf, toHalf } from './half.mjs';

export const SUPERBLOCK = 256;

/** @typedef {'Q4_K' | 'Q5_K' | 'Q6_K'} KQuant */

/**
 * @param {KQuant} type
 * @param {DataView} data
 * @param {number} at where the superblock begins
 * @param {Float64Array} values
 * @param {number} to where its 256 values go
 */
export function decodeSuperblock(type, data, at, values, to) {
  if (type === 'Q6_K') return decodeQ6(data, at, values, to);
  const five = type === 'Q5_K';
  const d = fromHalf(data.getUint16(at, true));
  const dmin = fromHalf(data.getUint16(at + 2, true));
  const quants = at + (five ? 48 : 16);
  for (let block = 0; block < 8; block++) {
    const [scale, min] = scaleAndMin(data, at + 4, block);
    for (let i = 0; i < 32; i++) {
      const pair = data.getUint8(quants + 32 * (block >> 1) + i);
      const fifth = five ? ((data.getUint8(at + 16 + i) >> block) & 1) << 4 : 0;
      const q = (block % 2 === 0 ? pair & 15 : pair >> 4) + fifth;
      values[to + 32 * block + i] = d * scale * q - dmin * min;
    }
  }
}

/** @param {DataView} data @param {number} at @param {Float64Array} values @param {number} to */
function decodeQ6(data, at, values, to) {
  const d = fromHalf(data.getUint16(at + 208, true));
  for (let i = 0; i < SUPERBLOCK; i++) {
    const half = i >> 7;
    const quarter = (i >> 5) & 3;
    const pair = data.getUint8(at + 64 * half + (i & 63));
    const low = quarter < 2 ? pair & 15 : pair >> 4;
    const high = (data.getUint8(at + 128 + 32 * half + (i & 31)) >> (2 * quarter)) & 3;
    values[to + i] = d * data.getInt8(at + 192 + (i >> 4)) * ((low | (high << 4)) - 32);
  }
}

/**
 * The first four blocks have theirs in the low bits of bytes 0 to 7; the others have four bits in
 * bytes 8 to 11 and two in the top of bytes 0 to 7.
 *
 * @param {DataView} data @param {number} at @param {number} block @returns {[number, number]}
 */
function scaleAndMin(data, at, block) {
  /** @param {number} i */
  const byte = (i) => data.getUint8(at + i);
  if (block < 4) return [byte(block) & 63, byte(block + 4) & 63];
  const low = byte(block + 4);
  return [(low & 15) | ((byte(block - 4) >> 6) << 4), (low >> 4) | ((byte(block) >> 6) << 4)];
}

/**
 * @param {KQuant} type
 * @param {ArrayLike<number>} values
 * @param {number} from where the 256 values begin
 * @param {DataView} out
 * @param {number} at
 */
export function encodeSuperblock(type, values, from, out, at) {
  const block = Array.from({ length: SUPERBLOCK }, (_, i) => values[from + i] ?? 0);
  if (type === 'Q6_K') encodeQ6(block, out, at);
  else encodeWithMinima(type, block, out, at);
}

/** @param {'Q4_K' | 'Q5_K'} type @param {number[]} values @param {DataView} out @param {number} at */
function encodeWithMinima(type, values, out, at) {
  const five = type === 'Q5_K';
  const steps = five ? 31 : 15;
  const blocks = Array.from({ length: 8 }, (_, i) => values.slice(32 * i, 32 * i + 32));
  const minima = blocks.map((block) => Math.max(0, -Math.min(...block)));
  const scales = blocks.map((block, i) => (Math.max(...block, 0) + (minima[i] ?? 0)) / steps);
  const d = toHalf(Math.max(...scales) / 63);
  const dmin = toHalf(Math.max(...minima) / 63);
  out.setUint16(at, d, true);
  out.setUint16(at + 2, dmin, true);
  blocks.forEach((block, i) => {
    const scale = steps63((scales[i] ?? 0) / fromHalf(d));
    const min = steps63((minima[i] ?? 0) / fromHalf(dmin));
    putScaleAndMin(out, at + 4, i, scale, min);
    const unit = fromHalf(d) * scale;
    block.forEach((value, j) => {
      const q = unit === 0 ? 0 : clamp(Math.round((value + fromHalf(dmin) * min) / unit), 0, steps);
      orByte(out, at + (five ? 48 : 16) + 32 * (i >> 1) + j, (q & 15) << (4 * (i % 2)));
      if (five) orByte(out, at + 16 + j, (q >> 4) << i);
    });
  });
}

/** @param {DataView} out @param {number} at @param {number} i @param {number} scale @param {number} min */
function putScaleAndMin(out, at, i, scale, min) {
  if (i < 4) {
    orByte(out, at + i, scale);
    orByte(out, at + i + 4, min);
    return;
  }
  orByte(out, at + i + 4, (scale & 15) | ((min & 15) << 4));
  orByte(out, at + i - 4, (scale >> 4) << 6);
  orByte(out, at + i, (min >> 4) << 6);
}

/** @param {number[]} values @param {DataView} out @param {number} at */
function encodeQ6(values, out, at) {
  const blocks = Array.from({ length: 16 }, (_, i) => values.slice(16 * i, 16 * i + 16));
  // The largest magnitude, with its sign, becomes -32: that end has one step more.
  const scales = blocks.map((block) => largest(block) / -32);
  const d = toHalf(largest(scales) / -128);
  out.setUint16(at + 208, d, true);
  blocks.forEach((block, i) => {
    const ratio = (scales[i] ?? 0) / fromHalf(d);
    const scale = Number.isFinite(ratio) ? clamp(Math.round(ratio), -128, 127) : 0;
    out.setInt8(at + 192 + i, scale);
    const unit = fromHalf(d) * scale;
    block.forEach((value, j) => {
      const q = unit === 0 ? 32 : clamp(Math.round(value / unit) + 32, 0, 63);
      const element = 16 * i + j;
      const half = element >> 7;
      const quarter = (element >> 5) & 3;
      orByte(out, at + 64 * half + (element & 63), (q & 15) << (quarter < 2 ? 0 : 4));
      orByte(out, at + 128 + 32 * half + (element & 31), (q >> 4) << (2 * quarter));
    });
  });
}

/** @param {number[]} values @returns {number} the one furthest from zero, signed */
function largest(values) {
  return values.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
}

/** @param {number} ratio not a number when both sides are zero */
function steps63(ratio) {
  return Number.isFinite(ratio) ? clamp(Math.round(ratio), 0, 63) : 0;
}

/** @param {number} value @param {number} least @param {number} most */
function clamp(value, least, most) {
  return Math.min(most, Math.max(least, value));
}

/** @param {DataView} out @param {number} at @param {number} bits */
function orByte(out, at, bits) {
  out.setUint8(at, out.getUint8(at) | bits);
}

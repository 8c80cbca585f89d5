// The weight types that the engine reads, encoded and decoded straight from their definitions.
// Q8_0 and Q4_0 blocks hold 32 values: Q8_0 is a half scale and 32 signed bytes; Q4_0 is a half scale and
// 16 bytes, whose low nibbles are the values 0–15 and whose high nibbles are 16–31, each + 8.
// K-quants are in k-quants.mjs.
import { fromBfloat, fromHalf, toBfloat, toHalf } from './half.mjs';
import { decodeSuperblock, encodeSuperblock, SUPERBLOCK } from './k-quants.mjs';

export const BLOCK = 32;

/** @typedef {'F32' | 'F16' | 'BF16' | 'Q8_0' | 'Q4_0' | import('./k-quants.mjs').KQuant} WeightType */

/** GGUF's number for a type, its block length and bytes per block, and `general.file_type`. */
export const WEIGHT_TYPES = /** @type {const} */ ({
  F32: { id: 0, block: 1, bytes: 4, fileType: 0 },
  F16: { id: 1, block: 1, bytes: 2, fileType: 1 },
  Q4_0: { id: 2, block: BLOCK, bytes: 18, fileType: 2 },
  Q8_0: { id: 8, block: BLOCK, bytes: 34, fileType: 7 },
  Q4_K: { id: 12, block: SUPERBLOCK, bytes: 144, fileType: 14 },
  Q5_K: { id: 13, block: SUPERBLOCK, bytes: 176, fileType: 16 },
  Q6_K: { id: 14, block: SUPERBLOCK, bytes: 210, fileType: 18 },
  BF16: { id: 30, block: 1, bytes: 2, fileType: 32 },
});

/** @param {number} id @returns {WeightType} */
export function weightTypeOf(id) {
  for (const [name, type] of Object.entries(WEIGHT_TYPES)) {
    if (type.id === id) return /** @type {WeightType} */ (name);
  }
  throw new Error(`Tensor type ${id} is not one of ${Object.keys(WEIGHT_TYPES).join(', ')}`);
}

/** @param {WeightType} type @param {number} count */
export function encodedBytes(type, count) {
  const { block, bytes } = WEIGHT_TYPES[type];
  if (count % block !== 0) throw new Error(`${count} values are not whole ${type} blocks`);
  return (count / block) * bytes;
}

/**
 * @param {WeightType} type
 * @param {Uint8Array} data
 * @param {number} count
 * @returns {Float64Array} exactly the values that the bytes stand for
 */
export function decodeTensor(type, data, count) {
  if (data.byteLength !== encodedBytes(type, count)) throw new Error('Wrong number of bytes');
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float64Array(count);
  switch (type) {
    case 'F32':
      for (let i = 0; i < count; i++) values[i] = view.getFloat32(4 * i, true);
      break;
    case 'F16':
      for (let i = 0; i < count; i++) values[i] = fromHalf(view.getUint16(2 * i, true));
      break;
    case 'BF16':
      for (let i = 0; i < count; i++) values[i] = fromBfloat(view.getUint16(2 * i, true));
      break;
    case 'Q8_0':
      for (let i = 0, at = 0; i < count; i += BLOCK, at += 34) {
        const scale = fromHalf(view.getUint16(at, true));
        for (let j = 0; j < BLOCK; j++) values[i + j] = scale * view.getInt8(at + 2 + j);
      }
      break;
    case 'Q4_0':
      for (let i = 0, at = 0; i < count; i += BLOCK, at += 18) {
        const scale = fromHalf(view.getUint16(at, true));
        for (let j = 0; j < 16; j++) {
          const pair = view.getUint8(at + 2 + j);
          values[i + j] = scale * ((pair & 15) - 8);
          values[i + j + 16] = scale * ((pair >>> 4) - 8);
        }
      }
      break;
    default:
      for (let i = 0; i < count; i += SUPERBLOCK) {
        decodeSuperblock(type, view, (i / SUPERBLOCK) * WEIGHT_TYPES[type].bytes, values, i);
      }
  }
  return values;
}

/**
 * @param {WeightType} type
 * @param {ArrayLike<number>} values
 * @returns {Uint8Array}
 */
export function encodeTensor(type, values) {
  const count = values.length;
  const data = new Uint8Array(encodedBytes(type, count));
  const view = new DataView(data.buffer);
  switch (type) {
    case 'F32':
      for (let i = 0; i < count; i++) view.setFloat32(4 * i, values[i] ?? 0, true);
      break;
    case 'F16':
      for (let i = 0; i < count; i++) view.setUint16(2 * i, toHalf(values[i] ?? 0), true);
      break;
    case 'BF16':
      for (let i = 0; i < count; i++) view.setUint16(2 * i, toBfloat(values[i] ?? 0), true);
      break;
    case 'Q8_0':
      for (let i = 0, at = 0; i < count; i += BLOCK, at += 34) encodeQ8(values, i, view, at);
      break;
    case 'Q4_0':
      for (let i = 0, at = 0; i < count; i += BLOCK, at += 18) encodeQ4(values, i, view, at);
      break;
    default:
      for (let i = 0; i < count; i += SUPERBLOCK) {
        encodeSuperblock(type, values, i, view, (i / SUPERBLOCK) * WEIGHT_TYPES[type].bytes);
      }
  }
  return data;
}

/** @param {ArrayLike<number>} values @param {number} from @returns {number} signed */
function largest(values, from) {
  let best = 0;
  for (let j = 0; j < BLOCK; j++) {
    const value = values[from + j] ?? 0;
    if (Math.abs(value) > Math.abs(best)) best = value;
  }
  return best;
}

// Single precision throughout, as in the tools people make such files with: the same bytes result.
/** @param {ArrayLike<number>} values @param {number} from @param {DataView} out @param {number} at */
function encodeQ8(values, from, out, at) {
  const scale = Math.fround(Math.abs(largest(values, from)) / 127);
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  out.setUint16(at, toHalf(scale), true);
  for (let j = 0; j < BLOCK; j++) {
    const scaled = Math.fround((values[from + j] ?? 0) * inverse);
    out.setInt8(at + 2 + j, Math.sign(scaled) * Math.floor(Math.abs(scaled) + 0.5));
  }
}

/** @param {ArrayLike<number>} values @param {number} from @param {DataView} out @param {number} at */
function encodeQ4(values, from, out, at) {
  // The largest magnitude, with its sign, becomes -8: the end of the range that has one step more.
  const scale = Math.fround(largest(values, from) / -8);
  const inverse = scale === 0 ? 0 : Math.fround(1 / scale);
  out.setUint16(at, toHalf(scale), true);
  /** @param {number} value */
  const quantize = (value) =>
    Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)));
  for (let j = 0; j < 16; j++) {
    const low = quantize(values[from + j] ?? 0);
    const high = quantize(values[from + j + 16] ?? 0);
    out.setUint8(at + 2 + j, low | (high << 4));
  }
}

import { BLOCK_COLUMNS, type PredictorMatrix, type PredictorType } from '@thermocline/contracts';
import { halfToNumber } from '@thermocline/tensor-files';
import { bitsOf, halfBits } from '../half-floats.js';

/** Whether a type takes its columns in whole blocks. */
export function isBlockType(type: PredictorType): boolean {
  return type === 'Q8_0' || type === 'Q4_0';
}

/**
 * Rounds finite weights to a type; Q8_0 and Q4_0 as GGUF's reference quantiser does, whose blocks
 * the columns must fill. Magnitudes above the largest half float are for the caller to refuse.
 *
 * @param values - [rows × columns]
 */
export function encodeMatrix(
  values: Float32Array,
  rows: number,
  columns: number,
  type: PredictorType,
): PredictorMatrix {
  const shape = { rows, columns };
  switch (type) {
    case 'F32':
      return { ...shape, type, values };
    case 'F16':
      return { ...shape, type, values: Uint16Array.from(bitsOf(values), halfBits) };
    case 'BF16':
      return { ...shape, type, values: Uint16Array.from(bitsOf(values), brainBits) };
    case 'I8':
      return { ...shape, type, ...quantiseRows(values, rows, columns) };
    case 'Q8_0':
      return { ...shape, type, ...quantise8(values) };
    case 'Q4_0':
      return { ...shape, type, ...quantise4(values) };
  }
}

/** To nearest, ties to even. */
function brainBits(bits: number): number {
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

const scaleBits = new Float32Array(1);
function toHalf(value: number): number {
  scaleBits[0] = value;
  return halfBits(bitsOf(scaleBits)[0] as number);
}

function largest(values: Float32Array): number {
  return values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
}

function quantiseRows(values: Float32Array, rows: number, columns: number) {
  const rounded = new Int8Array(values.length);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const part = values.subarray(row * columns, (row + 1) * columns);
    scale[row] = largest(part) / 127;
    const step = scale[row] as number;
    if (step === 0) continue;
    for (const [i, value] of part.entries()) rounded[row * columns + i] = Math.round(value / step);
  }
  return { values: rounded, scale };
}

function quantise8(values: Float32Array) {
  const rounded = new Int8Array(values.length);
  const scale = new Uint16Array(values.length / BLOCK_COLUMNS);
  for (const block of scale.keys()) {
    const at = block * BLOCK_COLUMNS;
    const part = values.subarray(at, at + BLOCK_COLUMNS);
    const step = Math.fround(largest(part) / 127);
    const inverse = step === 0 ? 0 : Math.fround(1 / step);
    scale[block] = toHalf(step);
    for (const [i, value] of part.entries()) {
      const exact = Math.fround(value * inverse);
      // Ties go away from zero.
      rounded[at + i] = Math.sign(exact) * Math.round(Math.abs(exact));
    }
  }
  return { values: rounded, scale };
}

function quantise4(values: Float32Array) {
  const packed = new Uint8Array(values.length / 2);
  const scale = new Uint16Array(values.length / BLOCK_COLUMNS);
  for (const block of scale.keys()) {
    const at = block * BLOCK_COLUMNS;
    const part = values.subarray(at, at + BLOCK_COLUMNS);
    // The value of the largest magnitude becomes −8 exactly.
    const extreme = part.reduce((most, v) => (Math.abs(v) > Math.abs(most) ? v : most), 0);
    const step = Math.fround(extreme / -8);
    const inverse = step === 0 ? 0 : Math.fround(1 / step);
    scale[block] = toHalf(step);
    const nibble = (value: number) =>
      Math.min(15, Math.trunc(Math.fround(Math.fround(value * inverse) + 8.5)));
    for (let i = 0; i < 16; i++) {
      const [low, high] = [part[i] as number, part[i + 16] as number];
      packed[block * 16 + i] = nibble(low) | (nibble(high) << 4);
    }
  }
  return { values: packed, scale };
}

/** The largest magnitude that a matrix of this type can hold, `null` where every float fits. */
export function largestOf(type: PredictorType): number | null {
  const half = halfToNumber(0x7bff);
  return { F32: null, BF16: null, I8: null, F16: half, Q8_0: half * 127, Q4_0: half * 8 }[type];
}

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
      return { ...shape, type, values: mapBits(values, halfBits) };
    case 'BF16':
      return { ...shape, type, values: mapBits(values, brainBits) };
    case 'I8':
      return { ...shape, type, ...quantiseRows(values, rows, columns) };
    case 'Q8_0':
      return { ...shape, type, ...quantise8(values) };
    case 'Q4_0':
      return { ...shape, type, ...quantise4(values) };
  }
}

function mapBits(values: Float32Array, round: (bits: number) => number): Uint16Array {
  const from = bitsOf(values);
  const to = new Uint16Array(from.length);
  for (let i = 0; i < from.length; i++) to[i] = round(from[i] as number);
  return to;
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

/** The value of the largest magnitude between two places. */
function extremeOf(values: Float32Array, from: number, to: number): number {
  let extreme = 0;
  for (let i = from; i < to; i++) {
    const value = values[i] as number;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  return extreme;
}

function quantiseRows(values: Float32Array, rows: number, columns: number) {
  const rounded = new Int8Array(values.length);
  const scale = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * columns, (row + 1) * columns];
    scale[row] = Math.abs(extremeOf(values, from, to)) / 127;
    const step = scale[row] as number;
    if (step === 0) continue;
    for (let i = from; i < to; i++) rounded[i] = Math.round((values[i] as number) / step);
  }
  return { values: rounded, scale };
}

function quantise8(values: Float32Array) {
  const rounded = new Int8Array(values.length);
  const scale = new Uint16Array(values.length / BLOCK_COLUMNS);
  for (let block = 0; block < scale.length; block++) {
    const [from, to] = [block * BLOCK_COLUMNS, (block + 1) * BLOCK_COLUMNS];
    const step = Math.fround(Math.abs(extremeOf(values, from, to)) / 127);
    const inverse = step === 0 ? 0 : Math.fround(1 / step);
    scale[block] = toHalf(step);
    for (let i = from; i < to; i++) {
      const exact = Math.fround((values[i] as number) * inverse);
      // Ties go away from zero.
      rounded[i] = Math.sign(exact) * Math.round(Math.abs(exact));
    }
  }
  return { values: rounded, scale };
}

function quantise4(values: Float32Array) {
  const packed = new Uint8Array(values.length / 2);
  const scale = new Uint16Array(values.length / BLOCK_COLUMNS);
  for (let block = 0; block < scale.length; block++) {
    const at = block * BLOCK_COLUMNS;
    // The value of the largest magnitude becomes −8 exactly.
    const step = Math.fround(extremeOf(values, at, at + BLOCK_COLUMNS) / -8);
    const inverse = step === 0 ? 0 : Math.fround(1 / step);
    scale[block] = toHalf(step);
    for (let i = 0; i < 16; i++) {
      const low = nibble((values[at + i] as number) * inverse);
      const high = nibble((values[at + i + 16] as number) * inverse);
      packed[block * 16 + i] = low | (high << 4);
    }
  }
  return { values: packed, scale };
}

function nibble(steps: number): number {
  return Math.min(15, Math.trunc(Math.fround(Math.fround(steps) + 8.5)));
}

/** The largest magnitude that a matrix of this type can hold, `null` where every float fits. */
export function largestOf(type: PredictorType): number | null {
  const half = halfToNumber(0x7bff);
  return { F32: null, BF16: null, I8: null, F16: half, Q8_0: half * 127, Q4_0: half * 8 }[type];
}

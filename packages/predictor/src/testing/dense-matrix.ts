import { BLOCK_COLUMNS, type PredictorMatrix } from '@thermocline/contracts';
import { bitsOf, halfBits } from '../half-floats.js';
import { fromHalf } from './from-half.js';

/** Rows of numbers. */
export type Rows = Float64Array[];

export function multiply(matrix: Rows, x: ArrayLike<number>): Float64Array {
  const result = new Float64Array(matrix.length);
  for (let n = 0; n < result.length; n++) result[n] = dot(matrix[n] as Float64Array, x);
  return result;
}

export function dot(row: Float64Array, x: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += (row[i] as number) * (x[i] as number);
  return sum;
}

/** Rounds to Q8_0 or keeps F32. */
export function pack(matrix: Rows, type: 'F32' | 'Q8_0'): PredictorMatrix {
  const [rows, columns] = [matrix.length, matrix[0]?.length ?? 0];
  const flat = Float32Array.from(matrix.flatMap((row) => [...row]));
  if (type === 'F32') return { type, rows, columns, values: flat };
  const values = new Int8Array(flat.length);
  const scale = new Uint16Array(flat.length / BLOCK_COLUMNS);
  for (let block = 0; block < scale.length; block++) {
    const part = flat.subarray(block * BLOCK_COLUMNS, (block + 1) * BLOCK_COLUMNS);
    const largest = part.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    scale[block] = halfBits(bitsOf(Float32Array.of(largest / 127))[0] as number);
    const unit = fromHalf(scale[block] as number) || 1;
    for (const [i, value] of part.entries()) {
      values[block * BLOCK_COLUMNS + i] = Math.max(-127, Math.min(127, Math.round(value / unit)));
    }
  }
  return { type, rows, columns, values, scale };
}

export function unpack(matrix: PredictorMatrix): Rows {
  const { rows, columns } = matrix;
  return Array.from({ length: rows }, (_, row) =>
    Float64Array.from({ length: columns }, (_unused, column) => {
      const at = row * columns + column;
      if (matrix.type === 'F32') return matrix.values[at] as number;
      if (matrix.type !== 'Q8_0') throw new Error(`${matrix.type} is not for tests`);
      const unit = fromHalf(matrix.scale[Math.floor(at / BLOCK_COLUMNS)] as number);
      return (matrix.values[at] as number) * unit;
    }),
  );
}

/** Eigenvectors of a symmetric matrix as rows, largest eigenvalue first: Jacobi's rotations. */
export function eigenvectors(symmetric: Rows): Rows {
  const n = symmetric.length;
  const a = symmetric.map((row) => row.slice());
  const v = a.map((_, i) => Float64Array.from({ length: n }, (_unused, j) => (i === j ? 1 : 0)));
  const at = (i: number, j: number) => (a[i] as Float64Array)[j] as number;
  for (let sweep = 0; sweep < 12; sweep++) {
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) {
        if (Math.abs(at(p, q)) < 1e-14) continue;
        const theta = (at(q, q) - at(p, p)) / (2 * at(p, q));
        const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
        const c = 1 / Math.sqrt(t * t + 1);
        rotate(a, v, p, q, c, t * c);
      }
    }
  }
  return v
    .map((row, i) => ({ row, value: at(i, i) }))
    .sort((x, y) => y.value - x.value)
    .map(({ row }) => row);
}

function rotate(a: Rows, v: Rows, p: number, q: number, c: number, s: number): void {
  const turn = (x: Float64Array, y: Float64Array, i: number, j: number) => {
    const [u, w] = [x[i] as number, y[j] as number];
    x[i] = c * u - s * w;
    y[j] = s * u + c * w;
  };
  for (const row of a) turn(row, row, p, q);
  for (let k = 0; k < a.length; k++) {
    turn(a[p] as Float64Array, a[q] as Float64Array, k, k);
    turn(v[p] as Float64Array, v[q] as Float64Array, k, k);
  }
}

import type { Artifact } from './artifact.js';
import type { Refuse } from './artifact-layers.js';
import { corrupt } from './file-errors.js';
import type { TensorArray, TensorData, TensorInfo } from './tensor.js';

/**
 * Element types of predictor weights. I8 has one scale per row. Q8_0 and Q4_0 are those of GGUF: a
 * half-float scale for every 32 columns.
 */
export const PREDICTOR_TYPES = ['F32', 'F16', 'BF16', 'I8', 'Q8_0', 'Q4_0'] as const;
export type PredictorType = (typeof PREDICTOR_TYPES)[number];

/** Columns that share a scale in Q8_0 and Q4_0. */
export const BLOCK_COLUMNS = 32;

interface MatrixShape {
  rows: number;
  columns: number;
}

/** A matrix of a predictor. Values of F16 and BF16, and scales of blocks, are raw bits. */
export type PredictorMatrix = MatrixShape &
  (
    | { type: 'F32' /** [rows × columns] */; values: Float32Array }
    | { type: 'F16' | 'BF16' /** [rows × columns] */; values: Uint16Array }
    | { type: 'I8' /** [rows × columns] */; values: Int8Array /** [rows] */; scale: Float32Array }
    | {
        type: 'Q8_0';
        /** [rows × columns] */
        values: Int8Array;
        /** F16, [rows × columns / 32] */
        scale: Uint16Array;
      }
    | {
        type: 'Q4_0';
        /**
         * [rows × columns / 2]: byte i of each 16 holds element i of its block of 32 in the low four
         * bits and element i + 16 in the high ones, both offset by 8.
         */
        values: Uint8Array;
        /** F16, [rows × columns / 32] */
        scale: Uint16Array;
      }
  );

/** How a type is stored: the tensor of its values, and of its scales if it has some. */
const STORED = {
  F32: { values: 'F32', scale: null },
  F16: { values: 'F16', scale: null },
  BF16: { values: 'BF16', scale: null },
  I8: { values: 'I8', scale: 'F32' },
  Q8_0: { values: 'I8', scale: 'F16' },
  Q4_0: { values: 'U8', scale: 'F16' },
} as const;

/**
 * Bytes a matrix takes.
 *
 * @example
 * const bytes = matrixBytes(predictor.down) + matrixBytes(predictor.up);
 */
export function matrixBytes(matrix: PredictorMatrix): number {
  return matrix.values.byteLength + ('scale' in matrix ? matrix.scale.byteLength : 0);
}

export async function readMatrix(artifact: Artifact, name: string): Promise<PredictorMatrix> {
  const info = artifact.tensors.get(name);
  if (info === undefined) throw corrupt(artifact.path, `the tensor "${name}" is missing`);
  const [rows, stored, ...more] = info.shape;
  if (rows === undefined || stored === undefined || more.length > 0) {
    throw corrupt(artifact.path, `tensor "${name}" is not a matrix`);
  }
  const scaleName = `${name}_scale`;
  const type = storedType(info, artifact.tensors.get(scaleName)?.type);
  if (type === undefined) {
    throw corrupt(artifact.path, `tensor "${name}" has a type (${info.type}) weights cannot have`);
  }
  const columns = type === 'Q4_0' ? 2 * stored : stored;
  const shape = { rows, columns };
  const readScale = () => artifact.read(scaleName, 'F16', [rows, columns / BLOCK_COLUMNS]);
  switch (type) {
    case 'F32':
      return { ...shape, type, values: await artifact.read(name, 'F32') };
    case 'F16':
    case 'BF16':
      return { ...shape, type, values: await artifact.read(name, type) };
    case 'I8':
      return {
        ...shape,
        type,
        values: await artifact.read(name, 'I8'),
        scale: await artifact.read(scaleName, 'F32', [rows]),
      };
    case 'Q8_0':
      return { ...shape, type, values: await artifact.read(name, 'I8'), scale: await readScale() };
    case 'Q4_0':
      return { ...shape, type, values: await artifact.read(name, 'U8'), scale: await readScale() };
  }
}

// Integers are told apart by their scales: one F32 per row, or F16 per block.
function storedType(info: TensorInfo, scale: string | undefined): PredictorType | undefined {
  if (info.type === 'I8') return scale === 'F16' ? 'Q8_0' : 'I8';
  return PREDICTOR_TYPES.find((type) => type !== 'I8' && STORED[type].values === info.type);
}

export function writeMatrix(name: string, matrix: PredictorMatrix): TensorData[] {
  const { type, rows, columns, values } = matrix;
  const stored = STORED[type];
  const width = type === 'Q4_0' ? columns / 2 : columns;
  const tensors: TensorData[] = [{ name, type: stored.values, shape: [rows, width], data: values }];
  if ('scale' in matrix && stored.scale !== null) {
    const shape = stored.scale === 'F32' ? [rows] : [rows, columns / BLOCK_COLUMNS];
    tensors.push({ name: `${name}_scale`, type: stored.scale, shape, data: matrix.scale });
  }
  return tensors;
}

/** Refuses a matrix whose arrays do not fit its type and shape, or with values that are not finite. */
export function checkMatrix(name: string, matrix: PredictorMatrix, refuse: Refuse): void {
  const { type, rows, columns, values } = matrix;
  const blocks = columns / BLOCK_COLUMNS;
  if ((type === 'Q8_0' || type === 'Q4_0') && !Number.isInteger(blocks)) {
    refuse(
      `${name} is of type ${type}, which takes ${BLOCK_COLUMNS} columns at a time, not ${columns}`,
    );
  }
  const length = type === 'Q4_0' ? (rows * columns) / 2 : rows * columns;
  if (!(values instanceof arrayOf(STORED[type].values)) || values.length !== length) {
    refuse(`the values of ${name} are not [${rows} × ${columns}] of ${type}`);
  }
  if (hasNonFinite(type, values)) refuse(`${name} has a weight that is not finite`);
  const scaleType = STORED[type].scale;
  const scale = 'scale' in matrix ? matrix.scale : undefined;
  if (scaleType === null) {
    if (scale !== undefined) refuse(`${name}: ${type} has no scale`);
    return;
  }
  const scales = scaleType === 'F32' ? rows : rows * blocks;
  if (!(scale instanceof arrayOf(scaleType)) || scale.length !== scales) {
    refuse(`${name} has ${scale?.length ?? 'no'} scales of ${scales}`);
  } else if (hasNonFinite(scaleType, scale)) {
    refuse(`a scale of ${name} is not finite`);
  }
}

const ARRAYS = {
  F32: Float32Array,
  F16: Uint16Array,
  BF16: Uint16Array,
  I8: Int8Array,
  U8: Uint8Array,
} as const;

function arrayOf(type: keyof typeof ARRAYS) {
  return ARRAYS[type];
}

// A half float whose exponent bits are all set is infinite or not a number.
function hasNonFinite(type: string, values: TensorArray): boolean {
  if (values instanceof Float32Array) return values.some((value) => !Number.isFinite(value));
  const exponent = { F16: 0x7c00, BF16: 0x7f80 }[type];
  if (exponent === undefined || !(values instanceof Uint16Array)) return false;
  return values.some((bits) => (bits & exponent) === exponent);
}

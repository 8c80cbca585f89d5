import { BLOCK_COLUMNS, type PredictorMatrix } from '@thermocline/contracts';
import {
  damaged,
  describeArray,
  type GgufTensor,
  halfToNumber,
  readFloats,
  readHalfBits,
  type StoredArray,
} from '@thermocline/tensor-files';

/** A matrix as a file has it. */
export interface SourceMatrix {
  /** What an error calls it. */
  where: string;
  /** In the type of the file, the very bits of it; F32 where that is a type predictors do not have. */
  matrix: PredictorMatrix;
}

/**
 * A matrix of floats of any layout.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT`
 */
export async function fromStored(array: StoredArray): Promise<SourceMatrix> {
  const where = describeArray(array);
  const [rows, columns, ...more] = array.shape;
  if (!rows || !columns || more.length > 0) {
    throw damaged(where, `its shape is ${array.shape.join(' × ') || '1'}, no matrix`);
  }
  const shape = { rows, columns };
  switch (array.type) {
    case 'f16':
    case 'bf16': {
      const type = array.type === 'f16' ? 'F16' : 'BF16';
      const values = await readHalfBits({ ...array, type: array.type });
      return { where, matrix: { ...shape, type, values } };
    }
    case 'f32':
    case 'f64':
      return { where, matrix: { ...shape, type: 'F32', values: await readFloats(array) } };
    default:
      throw damaged(where, `its values are of the type ${array.type}`, 'Weights are floats');
  }
}

/** A matrix of Q8_0 or Q4_0: the blocks of the file, their scales taken out. */
export function fromBlocks(path: string, tensor: GgufTensor, bytes: Buffer): SourceMatrix {
  const { name, type, ne } = tensor;
  const where = describeArray({ path, tensor: name });
  const [columns, rows, ...more] = ne;
  if (!rows || !columns || more.some((size) => size !== 1)) {
    throw damaged(where, `its shape is ${ne.join(' × ')}, no matrix`);
  }
  const blocks = (rows * columns) / BLOCK_COLUMNS;
  const blockBytes = bytes.length / blocks;
  const valueBytes = blockBytes - 2;
  const scale = new Uint16Array(blocks);
  const values = new Uint8Array(blocks * valueBytes);
  for (let block = 0; block < blocks; block++) {
    const at = block * blockBytes;
    scale[block] = bytes.readUInt16LE(at);
    values.set(bytes.subarray(at + 2, at + blockBytes), block * valueBytes);
  }
  const shape = { rows, columns, scale };
  if (type === 'Q4_0') return { where, matrix: { ...shape, type, values } };
  return { where, matrix: { ...shape, type: 'Q8_0', values: new Int8Array(values.buffer) } };
}

/** The numbers a matrix stands for. [rows × columns] */
export function toFloats(matrix: PredictorMatrix): Float32Array {
  const { rows, columns, values } = matrix;
  const floats = new Float32Array(rows * columns);
  switch (matrix.type) {
    case 'F32':
      floats.set(matrix.values);
      break;
    case 'F16':
      for (let i = 0; i < floats.length; i++) floats[i] = halfToNumber(values[i] as number);
      break;
    case 'BF16': {
      const words = new Uint32Array(floats.buffer);
      for (let i = 0; i < words.length; i++) words[i] = (values[i] as number) << 16;
      break;
    }
    case 'I8':
      for (let i = 0; i < floats.length; i++) {
        floats[i] = (values[i] as number) * (matrix.scale[Math.floor(i / columns)] as number);
      }
      break;
    case 'Q8_0':
      for (let i = 0; i < floats.length; i++) {
        floats[i] = (values[i] as number) * halfToNumber(matrix.scale[i >> 5] as number);
      }
      break;
    case 'Q4_0':
      for (let i = 0; i < floats.length; i++) {
        const byte = values[(i >> 5) * 16 + (i & 15)] as number;
        const nibble = (i & 16) === 0 ? byte & 15 : byte >> 4;
        floats[i] = (nibble - 8) * halfToNumber(matrix.scale[i >> 5] as number);
      }
      break;
  }
  return floats;
}

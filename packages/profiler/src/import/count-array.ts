import { damaged, describeArray, ELEMENTS, type StoredArray } from '@thermocline/tensor-files';

/** The same array without dimensions of size 1. */
export function squeeze(array: StoredArray): StoredArray {
  const kept = [...array.shape.keys()].filter((axis) => array.shape[axis] !== 1);
  const pick = (list: readonly number[]) => kept.map((axis) => list[axis] as number);
  return { ...array, shape: pick(array.shape), strides: pick(array.strides) };
}

/** Index `index` of the first dimension. */
export function row(array: StoredArray, index: number): StoredArray {
  const offset = array.offset + index * (array.strides[0] as number);
  return { ...array, offset, shape: array.shape.slice(1), strides: array.strides.slice(1) };
}

/**
 * Reads `length` counts of an array of one dimension (or of none, for a single one).
 *
 * @throws PipelineError `ARTIFACT_CORRUPT` when one of them is no count, naming layer and neuron
 */
export async function readCounts(
  array: StoredArray,
  layer: number,
  length: number,
): Promise<BigInt64Array> {
  const bytes = await array.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { bytes: width, read } = ELEMENTS[array.type];
  const stride = array.strides[0] ?? 1;
  const counts = new BigInt64Array(length);
  for (let neuron = 0; neuron < length; neuron++) {
    const at = (array.offset + neuron * stride) * width;
    const value = read(view, at, array.little);
    if (!isCount(value)) {
      const reason = `layer ${layer}, neuron ${neuron}: ${value} is no count`;
      throw damaged(describeArray(array), reason, 'Counts are whole numbers from 0 up');
    }
    counts[neuron] = BigInt(value);
  }
  return counts;
}

function isCount(value: number | bigint): boolean {
  if (typeof value === 'bigint') return value >= 0n && value < 1n << 53n;
  return Number.isSafeInteger(value) && value >= 0;
}

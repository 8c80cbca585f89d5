import { damaged } from './import-error.js';
import { denseStrides, describeArray, ELEMENTS, type StoredArray } from './stored-array.js';

/**
 * All numbers of an array as F32, the last dimension fastest.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT` when the array reaches beyond its bytes
 *
 * @example
 * const norm = await readFloats(await file.array('blk.0.ffn_norm.weight'));
 */
export async function readFloats(array: StoredArray): Promise<Float32Array> {
  const { type, little } = array;
  const { bytes: width, read } = ELEMENTS[type];
  const { view, length, at, dense } = await open(array);
  if (dense && little && type === 'f32') return new Float32Array(copy(view, at(0), length, 4));
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = Number(read(view, at(i) * width, little));
  return values;
}

/**
 * The raw bits of an array of F16 or BF16, the last dimension fastest.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT` when the array reaches beyond its bytes
 */
export async function readHalfBits(
  array: StoredArray & { type: 'f16' | 'bf16' },
): Promise<Uint16Array> {
  const { view, length, at, dense } = await open(array);
  if (dense && array.little) return new Uint16Array(copy(view, at(0), length, 2));
  const bits = new Uint16Array(length);
  for (let i = 0; i < length; i++) bits[i] = view.getUint16(at(i) * 2, array.little);
  return bits;
}

/** The bytes of an array, and where in them each of its elements lies. */
async function open(array: StoredArray) {
  const { shape, strides, offset } = array;
  const bytes = await array.bytes();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = shape.reduce((product, size) => product * size, 1);
  const last = shape.reduce((sum, size, i) => sum + (size - 1) * (strides[i] as number), offset);
  const within = length === 0 || (last + 1) * ELEMENTS[array.type].bytes <= bytes.byteLength;
  // A stride of 0 repeats an element, which could make a small file any size.
  if (!within || length * ELEMENTS[array.type].bytes > bytes.byteLength) {
    throw damaged(describeArray(array), 'the array reaches beyond its bytes');
  }
  const dense = denseStrides(shape).every((stride, i) => stride === strides[i] || shape[i] === 1);
  const at = dense
    ? (index: number) => offset + index
    : (index: number) => offset + strided(index, shape, strides);
  return { view, length, at, dense };
}

/** Aligned bytes of their own. Machines that this runs on are little-endian. */
function copy(view: DataView, first: number, length: number, width: number): ArrayBuffer {
  const begin = view.byteOffset + first * width;
  return view.buffer.slice(begin, begin + length * width) as ArrayBuffer;
}

function strided(index: number, shape: readonly number[], strides: readonly number[]): number {
  let [rest, place] = [index, 0];
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i] as number;
    place += (rest % size) * (strides[i] as number);
    rest = Math.floor(rest / size);
  }
  return place;
}

import { extname } from 'node:path';
import {
  damaged,
  denseStrides,
  ELEMENTS,
  type ElementType,
  otherFormat,
  readTorch,
  type StoredArray,
} from '@thermocline/tensor-files';
import { parseNpyHeader } from '../npy.js';

/** Ends of names of files that are nothing but numbers, little-endian. */
const RAW: Record<string, ElementType> = {
  '.i32': 'i32',
  '.i64': 'i64',
  '.u32': 'u32',
  '.u64': 'u64',
};
const NPY: Record<string, ElementType> = {
  i1: 'i8',
  u1: 'u8',
  i2: 'i16',
  u2: 'u16',
  i4: 'i32',
  u4: 'u32',
  i8: 'i64',
  u8: 'u64',
  f2: 'f16',
  f4: 'f32',
  f8: 'f64',
};

/** Whether a file has no shape of its own. */
export function isRaw(path: string): boolean {
  return Object.hasOwn(RAW, extname(path).toLowerCase());
}

/**
 * The one array of a file, by the end of its name.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT` when no such files are read
 */
export async function readArray(path: string, bytes: Buffer): Promise<StoredArray> {
  const extension = extname(path).toLowerCase();
  if (isRaw(path)) return readRaw(path, bytes, RAW[extension] as ElementType);
  if (extension === '.npy') return readNpy(path, bytes);
  if (extension === '.pt' || extension === '.pth') return readTorch(path, bytes);
  if (extension === '.npz') {
    const remedy =
      'Save the array alone with numpy.save, one [layers][neurons] array or one a layer';
    throw otherFormat(path, 'a file of counts', 'an archive of NumPy arrays', remedy);
  }
  const known = ['.safetensors', '.npy', '.pt', ...Object.keys(RAW)].join(' ');
  const found = extension === '' ? 'a file without an ending' : `a file of the kind ${extension}`;
  throw otherFormat(path, 'a file of counts', found, `Files that end in ${known} are read`);
}

function readRaw(path: string, bytes: Buffer, type: ElementType): StoredArray {
  const width = ELEMENTS[type].bytes;
  if (bytes.length % width !== 0) {
    throw damaged(path, `${bytes.length} bytes are no whole number of ${type} values`);
  }
  const shape = [bytes.length / width];
  return { path, type, little: true, shape, strides: [1], offset: 0, bytes: () => bytes };
}

function readNpy(path: string, bytes: Buffer): StoredArray {
  const header = parseNpyHeader(bytes, (reason) => damaged(path, reason));
  const type = Object.hasOwn(NPY, header.type) ? NPY[header.type] : undefined;
  if (type === undefined) {
    const remedy = 'Save whole numbers, such as counts.astype("int64")';
    throw damaged(path, `its values are of the type "${header.type}"`, remedy);
  }
  const { shape, little } = header;
  const values = bytes.subarray(header.start);
  const length = shape.reduce((product, size) => product * size, 1);
  if (length * ELEMENTS[type].bytes !== values.length) {
    throw damaged(path, `its shape (${shape.join(', ')}) does not fit ${values.length} bytes`);
  }
  const strides = header.fortranOrder
    ? denseStrides(shape.toReversed()).toReversed()
    : denseStrides(shape);
  return { path, type, little, shape, strides, offset: 0, bytes: () => values };
}

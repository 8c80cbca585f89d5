import { PipelineError } from '@thermocline/contracts';
import { readBytes } from './read-bytes.js';

const MAGIC = '\x93NUMPY';
const MAX_HEADER_BYTES = 1 << 16;
// `np.save` describes an array with a Python dict; its three keys are all there ever is.
const DESCRIPTION = {
  type: /'descr'\s*:\s*'([<>|=]?)([a-z?]\d*)'/,
  order: /'fortran_order'\s*:\s*(True|False)/,
  shape: /'shape'\s*:\s*\(([^)]*)\)/,
};

type Read = (view: DataView, offset: number, little: boolean) => number;
const READERS: Record<string, { bytes: number; read: Read }> = {
  i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  u1: { bytes: 1, read: (view, at) => view.getUint8(at) },
  i2: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  u2: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  i4: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u8: { bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
};

/**
 * Reads token ids from a NumPy file: a one-dimensional array of any integer type and byte order.
 * The file is checked before memory for its values is taken.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `INVALID_ARGUMENT` when it holds anything else
 *
 * @example
 * const ids = await readTokenIds('valid.npy'); // Int32Array
 */
export async function readTokenIds(path: string): Promise<Int32Array> {
  const bytes = await readBytes(path);
  const { start, type, little, length } = readHeader(bytes, path);
  const reader = READERS[type];
  if (reader === undefined) {
    throw refuse(path, `its values are of type "${type}", token ids are integers`);
  }
  if (bytes.length - start !== length * reader.bytes) {
    throw refuse(path, `${length} values of ${type} do not fill its ${bytes.length} bytes`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, length * reader.bytes);
  const ids = new Int32Array(length);
  for (let i = 0; i < length; i++) {
    const id = reader.read(view, i * reader.bytes, little);
    if (id < 0 || id > 0x7fff_ffff) throw refuse(path, `value ${i} is ${id}, no token id`);
    ids[i] = id;
  }
  return ids;
}

function readHeader(bytes: Buffer, path: string) {
  if (bytes.length < 10 || bytes.toString('latin1', 0, 6) !== MAGIC) {
    throw refuse(path, 'it does not begin like a NumPy file. Write one with numpy.save');
  }
  const long = (bytes[6] ?? 0) >= 2;
  if (long && bytes.length < 12) throw refuse(path, 'it ends inside its header');
  const start = (long ? 12 : 10) + (long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  if (start > bytes.length || start > MAX_HEADER_BYTES) {
    throw refuse(path, 'its header is longer than the file or 64 KiB');
  }
  const header = bytes.toString('latin1', 0, start);
  const type = DESCRIPTION.type.exec(header);
  const order = DESCRIPTION.order.exec(header);
  const shape = DESCRIPTION.shape.exec(header)?.[1];
  if (type === null || order === null || shape === undefined) {
    throw refuse(path, 'its header does not describe one plain array');
  }
  const sizes = shape.split(',').filter((size) => size.trim() !== '');
  const length = Number(sizes[0]);
  if (sizes.length !== 1 || !Number.isSafeInteger(length) || length < 0) {
    throw refuse(path, `its shape is (${shape}), token ids come in one dimension`);
  }
  return { start, type: type[2] as string, little: type[1] !== '>', length };
}

function refuse(path: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  const message = `${path} cannot be read as token ids: ${reason}.`;
  return new PipelineError('INVALID_ARGUMENT', message, { argument: path, reason });
}

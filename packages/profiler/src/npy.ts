const MAGIC = '\x93NUMPY';

/** A header that is longer is not believed. */
export const MAX_NPY_HEADER_BYTES = 1 << 16;

// `np.save` describes an array with a Python dict; its three keys are all there ever is.
const DESCRIPTION = {
  type: /'descr'\s*:\s*'([<>|=]?)([a-z?]\d*)'/,
  order: /'fortran_order'\s*:\s*(True|False)/,
  shape: /'shape'\s*:\s*\(([^)]*)\)/,
};

/** Ends a reading with the reason; who reads knows the file and the error. */
export type Fail = (reason: string) => Error;

/** What a NumPy file says of its array. */
export interface NpyHeader {
  /** Where the values begin. */
  start: number;
  /** NumPy's letter and width, such as `u2` or `f4`. */
  type: string;
  little: boolean;
  /** The first dimension changes fastest, not the last. */
  fortranOrder: boolean;
  shape: number[];
}

/**
 * How many bytes the header takes, as soon as there are enough to know: `undefined` until then.
 *
 * @param bytes - the first bytes of the file
 */
export function npyHeaderLength(bytes: Buffer, fail: Fail): number | undefined {
  const magic = bytes.toString('latin1', 0, Math.min(bytes.length, MAGIC.length));
  if (!MAGIC.startsWith(magic)) {
    throw fail('it does not begin like a NumPy file. Write one with numpy.save');
  }
  if (bytes.length < 12) return undefined;
  const long = (bytes[6] as number) >= 2;
  const length = (long ? 12 : 10) + (long ? bytes.readUInt32LE(8) : bytes.readUInt16LE(8));
  if (length > MAX_NPY_HEADER_BYTES) throw fail('its header is longer than 64 KiB');
  return length;
}

/** Reads the header of a NumPy file from bytes that hold at least all of it. */
export function parseNpyHeader(bytes: Buffer, fail: Fail): NpyHeader {
  const start = npyHeaderLength(bytes, fail);
  if (start === undefined || start > bytes.length) throw fail('it ends inside its header');
  const header = bytes.toString('latin1', 0, start);
  const type = DESCRIPTION.type.exec(header);
  const order = DESCRIPTION.order.exec(header);
  const shape = DESCRIPTION.shape.exec(header)?.[1];
  if (type === null || order === null || shape === undefined) {
    throw fail('its header does not describe one plain array');
  }
  const sizes = shape.split(',').flatMap((size) => (size.trim() === '' ? [] : [Number(size)]));
  if (!sizes.every((size) => Number.isSafeInteger(size) && size >= 0)) {
    throw fail(`its shape is (${shape})`);
  }
  return {
    start,
    type: type[2] as string,
    little: type[1] !== '>',
    fortranOrder: order[1] === 'True',
    shape: sizes,
  };
}

/** The header of an array of token ids: whole numbers in one dimension. */
export function parseIdsHeader(bytes: Buffer, fail: Fail): NpyHeader & { length: number } {
  const header = parseNpyHeader(bytes, fail);
  const [length, ...more] = header.shape;
  if (length === undefined || more.length > 0) {
    throw fail(`its shape is (${header.shape.join(', ')}), token ids come in one dimension`);
  }
  if (ID_READERS[header.type] === undefined) {
    throw fail(`its values are of type "${header.type}", token ids are integers`);
  }
  return { ...header, length };
}

type ReadId = (view: DataView, offset: number, little: boolean) => number;
const ID_READERS: Record<string, { bytes: number; read: ReadId } | undefined> = {
  i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  u1: { bytes: 1, read: (view, at) => view.getUint8(at) },
  i2: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  u2: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) },
  i4: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  u4: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) },
  i8: { bytes: 8, read: (view, at, little) => Number(view.getBigInt64(at, little)) },
  u8: { bytes: 8, read: (view, at, little) => Number(view.getBigUint64(at, little)) },
};

/** Bytes of one id in a file with this header. */
export function idBytes({ type }: NpyHeader): number {
  return (ID_READERS[type] as { bytes: number }).bytes;
}

/**
 * The ids in a run of bytes; each is checked.
 *
 * @param first - index of the first of them in the array, for the error
 */
export function decodeIds(
  bytes: Uint8Array,
  header: NpyHeader,
  first: number,
  fail: (reason: string, element: number) => Error,
): Int32Array {
  const { bytes: width, read } = ID_READERS[header.type] as { bytes: number; read: ReadId };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ids = new Int32Array(bytes.length / width);
  for (let i = 0; i < ids.length; i++) {
    const id = read(view, i * width, header.little);
    if (id < 0 || id > 0x7fff_ffff) {
      throw fail(`value ${first + i} is ${id}, no token id`, first + i);
    }
    ids[i] = id;
  }
  return ids;
}

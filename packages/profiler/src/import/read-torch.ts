import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import { type CountArray, ELEMENTS } from './count-array.js';
import { damaged, otherFormat } from './import-error.js';
import { PickleError, readTensorPickle, type TensorDescription } from './read-tensor-pickle.js';

// A tensor has a handful of files in its archive, and a pickle of some hundred bytes.
const MAX_ENTRIES = 1024;
const MAX_PICKLE_BYTES = 1 << 20;
/** How every pickle of PyTorch before 1.6 begins: protocol 2 and a magic number. */
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');
const KIND = 'a tensor saved by torch.save';

/**
 * Finds the tensor that `torch.save` wrote: a zip archive of a pickle, which describes the tensor,
 * and the bytes of its storage, not compressed. Nothing in it is executed.
 *
 * @param bytes - the whole file; the tensor is a view of them
 * @throws PipelineError `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`
 */
export async function readTorch(path: string, bytes: Buffer): Promise<CountArray> {
  requireZip(path, bytes);
  const entries = await readArchive(path, bytes);
  const pickles = [...entries.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  const [name] = pickles;
  if (name === undefined || pickles.length > 1) {
    throw otherFormat(path, KIND, 'another zip archive', SAVE_ONE_TENSOR);
  }
  const folder = name.slice(0, -'data.pkl'.length);
  const tensor = describeTensor(path, entries.get(name) as Buffer);
  const storage = entries.get(`${folder}data/${tensor.key}`);
  if (storage === undefined) throw damaged(path, `the storage "${tensor.key}" is missing`);
  if (storage.length !== tensor.storageLength * ELEMENTS[tensor.type].bytes) {
    throw damaged(
      path,
      `the storage has ${storage.length} bytes for ${tensor.storageLength} values`,
    );
  }
  const order = entries.get(`${folder}byteorder`)?.toString('latin1') ?? 'little';
  if (order !== 'little' && order !== 'big') throw damaged(path, 'the byte order is not known');
  const { type, shape, strides, offset } = tensor;
  const little = order === 'little';
  return { path, type, little, shape, strides, offset, bytes: () => storage };
}

const SAVE_ONE_TENSOR = 'Save each layer with torch.save(counts, "activation_N.pt")';

function requireZip(path: string, bytes: Buffer): void {
  if (bytes.subarray(0, LEGACY_MAGIC.length).equals(LEGACY_MAGIC)) {
    const remedy = 'Load it with a newer PyTorch and save it again: torch.save(torch.load(p), p)';
    throw otherFormat(path, KIND, 'a file of PyTorch before version 1.6', remedy);
  }
  if (bytes.toString('latin1', 0, 2) === 'PK') return;
  throw otherFormat(path, KIND, 'no zip archive', SAVE_ONE_TENSOR);
}

function describeTensor(path: string, pickle: Buffer): TensorDescription {
  if (pickle.length > MAX_PICKLE_BYTES) throw damaged(path, 'the pickle is longer than 1 MiB');
  try {
    return readTensorPickle(pickle);
  } catch (error) {
    if (error instanceof PickleError) throw damaged(path, error.message, SAVE_ONE_TENSOR);
    throw error;
  }
}

/** The files of the archive by their names, as views of its bytes, their checksums compared. */
async function readArchive(path: string, bytes: Buffer): Promise<Map<string, Buffer>> {
  const entries = new Map<string, Buffer>();
  try {
    const zip = await yauzl.fromBufferPromise(bytes);
    let [seen, stored] = [0, 0];
    for await (const entry of zip.eachEntry()) {
      if (++seen > MAX_ENTRIES) throw new Error(`it has more than ${MAX_ENTRIES} files`);
      if (entries.has(entry.fileName)) throw new Error(`"${entry.fileName}" is in it twice`);
      // Of files that overlap, every byte would be summed many times.
      stored += entry.compressedSize;
      if (stored > bytes.length) throw new Error('its files overlap');
      entries.set(entry.fileName, await readEntry(zip, entry, bytes));
    }
  } catch (error) {
    throw damaged(path, `the zip archive is not sound: ${(error as Error).message}`);
  }
  return entries;
}

async function readEntry(zip: yauzl.ZipFile, entry: yauzl.Entry, bytes: Buffer): Promise<Buffer> {
  const { fileName, compressionMethod, compressedSize, uncompressedSize } = entry;
  if (compressionMethod !== 0 || entry.isEncrypted() || compressedSize !== uncompressedSize) {
    throw new Error(`"${fileName}" is compressed, which torch.save does not do`);
  }
  const { fileDataStart } = await zip.readLocalFileHeaderPromise(entry, { minimal: true });
  const content = bytes.subarray(fileDataStart, fileDataStart + compressedSize);
  if (content.length !== compressedSize) throw new Error(`"${fileName}" is cut short`);
  if (crc32(content) !== entry.crc32) throw new Error(`the checksum of "${fileName}" is wrong`);
  return content;
}

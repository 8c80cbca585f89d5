import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import { damaged, otherFormat } from './import-error.js';
import {
  PickleError,
  readStateDictPickle,
  readTensorPickle,
  type TensorDescription,
} from './read-tensor-pickle.js';
import { ELEMENTS, type StoredArray } from './stored-array.js';

// A tensor has a handful of files in its archive, and a pickle of some hundred bytes; a dictionary
// has a file and a hundred bytes more for each.
const MAX_ENTRIES = 1024;
const MAX_PICKLE_BYTES = 1 << 20;
/** How every pickle of PyTorch before 1.6 begins: protocol 2 and a magic number. */
const LEGACY_MAGIC = Buffer.from('80028a0a6cfc9c46f9206aa85019', 'hex');

/**
 * Finds the tensor that `torch.save` wrote: a zip archive of a pickle, which describes the tensor,
 * and the bytes of its storage, not compressed. Nothing in it is executed.
 *
 * @param bytes - the whole file; the tensor is a view of them
 * @throws PipelineError `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`
 *
 * @example
 * const counts = await readTorch('activation_0.pt', await readFile('activation_0.pt'));
 */
export async function readTorch(path: string, bytes: Buffer): Promise<StoredArray> {
  const archive = await openTorch(path, bytes, TENSOR);
  return archive.tensor(archive.describe(readTensorPickle));
}

/**
 * The same of what `torch.save(model.state_dict())` wrote: the tensors by their names.
 *
 * @throws PipelineError `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`
 *
 * @example
 * const { 'fc1.weight': down } = Object.fromEntries(await readTorchStateDict(path, bytes));
 */
export async function readTorchStateDict(
  path: string,
  bytes: Buffer,
): Promise<Map<string, StoredArray>> {
  const archive = await openTorch(path, bytes, STATE_DICT);
  const tensors = new Map<string, StoredArray>();
  for (const [name, description] of archive.describe(readStateDictPickle)) {
    tensors.set(name, archive.tensor(description, name));
  }
  return tensors;
}

interface TorchArchive {
  describe<T>(read: (pickle: Buffer) => T): T;
  tensor(description: TensorDescription, name?: string): StoredArray;
}

/** What is looked for, and how it is made. */
interface Sought {
  kind: string;
  remedy: string;
}
const TENSOR: Sought = {
  kind: 'a tensor saved by torch.save',
  remedy: 'Save the tensor alone, such as each layer with torch.save(counts, "activation_N.pt")',
};
const STATE_DICT: Sought = {
  kind: 'tensors saved by torch.save',
  remedy: 'Save the tensors by their names alone: torch.save(model.state_dict(), "model_N.pt")',
};

async function openTorch(path: string, bytes: Buffer, sought: Sought): Promise<TorchArchive> {
  requireZip(path, bytes, sought);
  const entries = await readArchive(path, bytes);
  const pickles = [...entries.keys()].filter((name) => /^[^/]*\/data\.pkl$/.test(name));
  const [name] = pickles;
  if (name === undefined || pickles.length > 1) {
    throw otherFormat(path, sought.kind, 'another zip archive', sought.remedy);
  }
  const folder = name.slice(0, -'data.pkl'.length);
  const order = entries.get(`${folder}byteorder`)?.toString('latin1') ?? 'little';
  if (order !== 'little' && order !== 'big') throw damaged(path, 'the byte order is not known');
  return {
    describe: (read) => describe(path, entries.get(name) as Buffer, read, sought.remedy),
    tensor({ type, key, storageLength, shape, strides, offset }, tensor) {
      const storage = entries.get(`${folder}data/${key}`);
      if (storage === undefined) throw damaged(path, `the storage "${key}" is missing`);
      if (storage.length !== storageLength * ELEMENTS[type].bytes) {
        const reason = `the storage has ${storage.length} bytes for ${storageLength} values`;
        throw damaged(path, reason);
      }
      return {
        path,
        type,
        little: order === 'little',
        shape,
        strides,
        offset,
        bytes: () => storage,
        ...(tensor !== undefined && { tensor }),
      };
    },
  };
}

function requireZip(path: string, bytes: Buffer, { kind, remedy: other }: Sought): void {
  if (bytes.subarray(0, LEGACY_MAGIC.length).equals(LEGACY_MAGIC)) {
    const remedy = 'Load it with a newer PyTorch and save it again: torch.save(torch.load(p), p)';
    throw otherFormat(path, kind, 'a file of PyTorch before version 1.6', remedy);
  }
  if (bytes.toString('latin1', 0, 2) === 'PK') return;
  throw otherFormat(path, kind, 'no zip archive', other);
}

function describe<T>(path: string, pickle: Buffer, read: (pickle: Buffer) => T, remedy: string): T {
  if (pickle.length > MAX_PICKLE_BYTES) throw damaged(path, 'the pickle is longer than 1 MiB');
  try {
    return read(pickle);
  } catch (error) {
    if (error instanceof PickleError) throw damaged(path, error.message, remedy);
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

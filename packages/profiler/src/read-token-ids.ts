import { PipelineError } from '@thermocline/contracts';
import { decodeIds, idBytes, parseIdsHeader } from './npy.js';
import { readBytes } from './read-bytes.js';

/**
 * Reads token ids from a NumPy file: a one-dimensional array of any integer type and byte order.
 * It is read whole, so that it may be a pipe; a header that promises more than is there takes no
 * memory.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `INVALID_ARGUMENT` when it holds anything else
 *
 * @example
 * const ids = await readTokenIds('valid.npy'); // Int32Array
 */
export async function readTokenIds(path: string): Promise<Int32Array> {
  const fail = (reason: string) => refuse(path, reason);
  const bytes = await readBytes(path);
  const header = parseIdsHeader(bytes, fail);
  const { start, type, length } = header;
  if (bytes.length - start !== length * idBytes(header)) {
    throw fail(`${length} values of ${type} do not fill its ${bytes.length} bytes`);
  }
  return decodeIds(bytes.subarray(start), header, 0, fail);
}

function refuse(path: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  const message = `${path} cannot be read as token ids: ${reason}.`;
  return new PipelineError('INVALID_ARGUMENT', message, { argument: path, reason });
}

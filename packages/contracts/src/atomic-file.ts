import { randomBytes } from 'node:crypto';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { isPipelineError, PipelineError } from './errors.js';
import { fileError } from './file-errors.js';

// One write call takes less than 2 GiB on every system.
const MAX_WRITE_BYTES = 1 << 26;

/** Appends bytes to the file being written. */
export type AppendBytes = (bytes: Uint8Array) => Promise<void>;

/**
 * Writes a file that is either complete or not there: into a temporary file beside it, to the
 * disk, and then under its name. A process killed midway leaves the old file as it was.
 *
 * @throws PipelineError `FILE_NOT_FOUND` when the folder is missing, `IO_ERROR`
 */
export async function writeFileAtomically(
  path: string,
  produce: (append: AppendBytes) => Promise<void>,
): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx');
    try {
      await produce((bytes) => append(file, bytes));
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw missingFolder(path, error) ?? fileError(path, error);
  }
  await syncFolder(dirname(path));
}

/** A file that is being made cannot be missing: its folder is. */
function missingFolder(path: string, error: unknown): PipelineError | undefined {
  const { code } = error as NodeJS.ErrnoException;
  if (isPipelineError(error) || (code !== 'ENOENT' && code !== 'ENOTDIR')) return undefined;
  const message = `${path}: there is no such folder to write to. Create it first.`;
  return new PipelineError('FILE_NOT_FOUND', message, { path }, { cause: error });
}

async function append(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let start = 0; start < bytes.length; ) {
    const length = Math.min(MAX_WRITE_BYTES, bytes.length - start);
    const { bytesWritten } = await file.write(bytes, start, length);
    start += bytesWritten;
  }
}

// The new name survives a power cut only once the folder is on the disk too. Windows cannot open
// folders, and some network drives refuse to sync them: there the rename alone has to do.
async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (!['EISDIR', 'EPERM', 'EACCES', 'EINVAL', 'ENOTSUP'].includes(code ?? '')) throw error;
  }
}

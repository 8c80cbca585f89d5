import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { fileError, PipelineError } from '@thermocline/contracts';

/**
 * Creates a folder, and those above it. Not by `mkdir` with `recursive`: in a place that takes no
 * folders though it is there, such as /proc, that never returns.
 *
 * @throws PipelineError `IO_ERROR`, `FILE_NOT_FOUND` where a file is in the way
 */
export async function makeFolder(path: string): Promise<void> {
  const first = await tryMake(path);
  if (first === undefined) return;
  const parent = dirname(path);
  if (first.code !== 'ENOENT') throw fileError(path, first);
  if (parent === path || (await isFolder(parent))) {
    const reason = 'no folder can be made there';
    throw new PipelineError('IO_ERROR', `${path}: ${reason}.`, { path, reason }, { cause: first });
  }
  await makeFolder(parent);
  const second = await tryMake(path);
  if (second !== undefined) throw fileError(path, second);
}

async function tryMake(path: string): Promise<NodeJS.ErrnoException | undefined> {
  try {
    await mkdir(path);
    return undefined;
  } catch (error) {
    return (await isFolder(path)) ? undefined : (error as NodeJS.ErrnoException);
  }
}

async function isFolder(path: string): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  return info?.isDirectory() === true;
}

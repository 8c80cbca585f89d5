import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { corrupt, fileError, PipelineError } from '@thermocline/contracts';

/** Which of a folder's names it stands for. They are sorted, hidden ones left out. */
export type ChooseFiles = (folder: string, names: readonly string[]) => readonly string[];

/**
 * The files that some paths stand for: files for themselves, folders for those chosen of them.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `ARTIFACT_CORRUPT`, `INVALID_ARGUMENT`, and what
 * `choose` throws
 *
 * @example
 * const files = await listFiles(paths, (_, names) => names.filter((name) => name.endsWith('.pt')));
 */
export async function listFiles(paths: readonly string[], choose: ChooseFiles): Promise<string[]> {
  if (paths.length === 0) {
    const reason = 'names nothing to import';
    throw new PipelineError('INVALID_ARGUMENT', `paths ${reason}.`, { argument: 'paths', reason });
  }
  const files: string[] = [];
  for (const path of paths) {
    try {
      const info = await stat(path);
      if (info.isDirectory()) files.push(...(await listFolder(path, choose)));
      else if (info.isFile()) files.push(path);
      else throw corrupt(path, 'this is no file or folder', 'Name one');
    } catch (error) {
      throw fileError(path, error);
    }
  }
  return files;
}

async function listFolder(folder: string, choose: ChooseFiles): Promise<string[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort();
  return choose(folder, names).map((name) => join(folder, name));
}

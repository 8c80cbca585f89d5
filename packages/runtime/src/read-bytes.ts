import { readFile } from 'node:fs/promises';
import { PipelineError } from '@thermocline/contracts';

/** A whole file; what the system says against it becomes one of our errors. */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const options = { cause: error };
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      const said = `${path}: there is no such file.`;
      throw new PipelineError('FILE_NOT_FOUND', said, { path }, options);
    }
    const details = { path, reason: message };
    throw new PipelineError('IO_ERROR', `${path}: ${message}`, details, options);
  }
}

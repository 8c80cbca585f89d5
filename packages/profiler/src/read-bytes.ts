import { readFile } from 'node:fs/promises';
import { fileError } from '@thermocline/contracts';

/** A whole file; what the system says against it becomes one of our errors. */
export async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError(path, error);
  }
}

import { stat } from 'node:fs/promises';
import { fileError, PipelineError } from '@thermocline/contracts';
import type { InputFile } from './find-files.js';

/** A file and the domain it belongs to. */
export interface FoundFile extends InputFile {
  /** Index in `Corpus.domains`. */
  domain: number;
}

/**
 * Refuses a file that is there twice, whose text would count double, and adds up the bytes.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `FILE_NOT_FOUND`, `IO_ERROR`
 */
export async function requireDistinct(files: readonly FoundFile[]): Promise<number> {
  const seen = new Map<string, string>();
  let bytes = 0;
  for (const { path, label } of files) {
    const { dev, ino, size } = await stat(path, { bigint: true }).catch((error: unknown) => {
      throw fileError(label, error);
    });
    const other = seen.get(`${dev}:${ino}`);
    if (other !== undefined) {
      const reason = `${path} would be read twice${other === path ? '' : `, also as ${other}`}`;
      const remedy = 'Name every file once, and mind folders and globs that overlap';
      const details = { argument: 'corpus', reason };
      throw new PipelineError('INVALID_ARGUMENT', `corpus: ${reason}. ${remedy}.`, details);
    }
    seen.set(`${dev}:${ino}`, path);
    bytes += Number(size);
  }
  return bytes;
}

import { createWriteStream } from 'node:fs';
import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileError, PipelineError } from '@thermocline/contracts';
import { throwIfAborted } from './corpus-error.js';

/** Copies of what can be read only once, in a temporary folder of our own. */
export class Spool {
  #folder: string | undefined;
  #files = 0;

  /**
   * Stores a stream and gives the path of the copy.
   *
   * @param open - called when the folder is there: nobody would hear a stream that fails before
   * @throws PipelineError `IO_ERROR` when the disk is full or there is no temporary folder, `ABORTED`
   */
  async store(
    open: () => NodeJS.ReadableStream,
    name: string,
    signal?: AbortSignal,
  ): Promise<string> {
    this.#folder ??= await makeFolder();
    const path = join(this.#folder, String(this.#files++));
    try {
      // Nobody else needs to read what was piped in.
      const file = createWriteStream(path, { mode: 0o600 });
      await pipeline(open(), file, { ...(signal && { signal }) });
    } catch (error) {
      throwIfAborted(signal);
      throw fileError(name, error);
    }
    return path;
  }

  async remove(): Promise<void> {
    const folder = this.#folder;
    this.#folder = undefined;
    if (folder !== undefined) await rm(folder, { recursive: true, force: true });
  }
}

async function makeFolder(): Promise<string> {
  const parent = tmpdir();
  try {
    return await mkdtemp(join(parent, 'thermocline-corpus-'));
  } catch (error) {
    const reason = `what is piped in cannot be copied there: ${(error as Error).message}`;
    const message = `${parent}: ${reason}. Set TMPDIR to a folder that can be written.`;
    throw new PipelineError('IO_ERROR', message, { path: parent, reason }, { cause: error });
  }
}

/** Whether a file begins like one of `numpy.save`. */
export async function beginsLikeNpy(path: string): Promise<boolean> {
  const file = await open(path, 'r');
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(6), 0, 6, 0);
    return bytesRead === 6 && buffer.toString('latin1') === '\x93NUMPY';
  } finally {
    await file.close();
  }
}

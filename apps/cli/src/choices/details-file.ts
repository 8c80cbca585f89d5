import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { fileError } from '@thermocline/contracts';
import { callerPath } from '../paths.js';
import { UsageError } from '../usage-error.js';

/** A file of JSON lines, written as they come. */
export interface DetailsFile extends AsyncDisposable {
  write(line: object): void;
}

/** One line of JSON a task, in a file; nowhere where none is named. */
export async function openDetails(file: string | undefined): Promise<DetailsFile> {
  if (file === undefined) return { write() {}, async [Symbol.asyncDispose]() {} };
  const path = callerPath(file);
  if (!/\.jsonl?$/i.test(path)) {
    throw new UsageError(
      `--details writes JSON lines: call the file something.jsonl, not ${file}.`,
    );
  }
  const stream = createWriteStream(path);
  // What goes wrong while writing is met at the end.
  stream.on('error', () => undefined);
  try {
    await new Promise<void>((done, fail) => {
      stream.once('open', () => done()).once('error', fail);
    });
  } catch (error) {
    throw fileError(path, error);
  }
  return {
    write: (line) => void stream.write(`${JSON.stringify(line)}\n`),
    async [Symbol.asyncDispose]() {
      stream.end();
      await finished(stream).catch((error: unknown) => {
        throw fileError(path, error);
      });
    },
  };
}

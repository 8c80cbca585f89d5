import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** How a file of a corpus is read: plain text, a JSON object a line, or token ids in `.npy`. */
export type CorpusFormat = 'text' | 'jsonl' | 'ids';

/** Something to read texts from. */
export interface CorpusInput {
  /** A file, a folder, a glob, or `-` for standard input. */
  path: string;
  /** The kind of text it holds, to be counted apart. */
  domain?: string;
  /** Left out: by the end of the file's name. */
  format?: CorpusFormat;
}

/**
 * Understands one corpus of a command line: `NAME=PATH` is a domain and where its texts are. What
 * exists as a file under its whole spelling is that file.
 *
 * @param cwd - what relative paths start from; default: the current folder
 *
 * @example
 * parseCorpusInput('stories=train.txt'); // { path: 'train.txt', domain: 'stories' }
 */
export function parseCorpusInput(spelling: string, cwd = process.cwd()): CorpusInput {
  const [, domain, path] = /^([A-Za-z0-9_.-]+)=(.+)$/s.exec(spelling) ?? [];
  if (domain === undefined || path === undefined || existsSync(resolve(cwd, spelling))) {
    return { path: spelling };
  }
  return { path, domain };
}

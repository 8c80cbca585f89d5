import type { Stats } from 'node:fs';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename, extname, join, resolve, sep } from 'node:path';
import { fileError } from '@thermocline/contracts';
import { glob, isDynamicPattern } from 'tinyglobby';
import { corpusError } from './corpus-error.js';
import type { CorpusFormat, CorpusInput } from './corpus-input.js';
import { beginsLikeNpy, type Spool } from './spool.js';

const FORMATS: Record<string, CorpusFormat> = {
  '.txt': 'text',
  '.md': 'text',
  '.jsonl': 'jsonl',
  '.ndjson': 'jsonl',
  '.npy': 'ids',
};
const EXTENSIONS = Object.keys(FORMATS);

/** A file to be read for a corpus. */
export interface InputFile {
  path: string;
  /** What people call it: its name, with the folder that was asked for. */
  name: string;
  /** What an error calls it. */
  label: string;
  format: CorpusFormat;
}

export interface FindOptions {
  cwd: string;
  /** Left out: that of the process. */
  stdin: NodeJS.ReadableStream | undefined;
  spool: Spool;
  /** What is piped in is one JSON object a line. */
  pipedJson: boolean;
  signal?: AbortSignal | undefined;
}

/**
 * The files that an input stands for, folders and globs in the order of their paths. Hidden files
 * are left out, and of folders everything that does not end as a text or an array of ids does.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `CORPUS_INVALID` when a folder or glob has none, `IO_ERROR`
 */
export async function findFiles(input: CorpusInput, options: FindOptions): Promise<InputFile[]> {
  if (input.path === '-') {
    return [await spoolStream(() => options.stdin ?? process.stdin, 'stdin', input, options)];
  }
  const path = resolve(options.cwd, input.path);
  let info: Stats;
  try {
    info = await stat(path);
  } catch (error) {
    if (isDynamicPattern(forwardSlashes(input.path))) return matchGlob(input, options);
    throw fileError(path, error);
  }
  if (info.isDirectory()) return listFolder(path, input);
  if (info.isFile()) {
    return [{ path, name: basename(path), label: path, format: formatOf(path, input) }];
  }
  if (info.isFIFO()) {
    return [await spoolStream(() => createReadStream(path), path, input, options)];
  }
  throw corpusError(path, 'this is no file, folder or pipe', { remedy: 'Name one of these' });
}

async function listFolder(folder: string, input: CorpusInput): Promise<InputFile[]> {
  const endings = EXTENSIONS.map((extension) => extension.slice(1)).join(',');
  const found = await search(`**/*.{${endings}}`, folder, false);
  if (found.length === 0) {
    throw corpusError(folder, `the folder holds no file that ends in ${EXTENSIONS.join(' ')}`, {
      remedy: 'Name other files by a glob such as "FOLDER/**/*.log"',
    });
  }
  return found.map((name) => ({
    path: join(folder, name),
    name: `${basename(folder)}/${name}`,
    label: join(folder, name),
    format: formatOf(name, input),
  }));
}

async function matchGlob(input: CorpusInput, { cwd }: FindOptions): Promise<InputFile[]> {
  const found = await search(forwardSlashes(input.path), cwd);
  if (found.length === 0) {
    throw corpusError(input.path, `no file in ${cwd} matches`, {
      remedy:
        'Quote a glob, so that the shell leaves it alone, and mind that hidden files are left out',
    });
  }
  return found.map((name) => ({
    path: resolve(cwd, name),
    // Where somebody keeps their files is nobody's business.
    name: /^(?:\/|\.\.|[A-Za-z]:)/.test(name) ? basename(name) : name,
    label: resolve(cwd, name),
    format: formatOf(name, input),
  }));
}

/** In an order that no locale changes. */
async function search(pattern: string, cwd: string, caseSensitiveMatch = true): Promise<string[]> {
  try {
    const found = await glob(pattern, { cwd, expandDirectories: false, caseSensitiveMatch });
    return found.sort((a, b) => (a < b ? -1 : 1));
  } catch (error) {
    throw fileError(cwd, error);
  }
}

async function spoolStream(
  open: () => NodeJS.ReadableStream,
  name: string,
  input: CorpusInput,
  { spool, pipedJson, signal }: FindOptions,
): Promise<InputFile> {
  const path = await spool.store(open, name, signal);
  const guessed = (await beginsLikeNpy(path)) ? 'ids' : pipedJson ? 'jsonl' : 'text';
  return { path, name: basename(name), label: name, format: input.format ?? guessed };
}

function formatOf(path: string, { format }: CorpusInput): CorpusFormat {
  return format ?? FORMATS[extname(path).toLowerCase()] ?? 'text';
}

function forwardSlashes(path: string): string {
  return sep === '/' ? path : path.replaceAll(sep, '/');
}

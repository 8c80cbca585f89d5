import { PipelineError } from '@thermocline/contracts';
import type { CorpusInput } from './corpora/corpus-input.js';
import { type FoundFile, requireDistinct } from './corpora/distinct-files.js';
import { domainsOf } from './corpora/domains.js';
import { findFiles } from './corpora/find-files.js';
import { type IndexedFile, indexFile } from './corpora/index-file.js';
import { IndexedCorpus } from './corpora/indexed-corpus.js';
import { Spool } from './corpora/spool.js';
import type { Corpus } from './corpus.js';

const DEFAULT_TEXT_KEY = 'text';
const MAX_SEED = 0xffff_ffff;

export interface OpenCorpusOptions {
  /** Decides the order of the documents within a domain: 0 to 2³² − 1; default 0. */
  seed?: number;
  /**
   * The field of JSON lines that holds the text; default `text`. When given, what comes through a
   * pipe is taken for JSON lines.
   */
  textKey?: string;
  /** What relative paths and globs start from; default: the current folder. */
  cwd?: string;
  /** What `-` reads; default: the standard input of the process. */
  stdin?: NodeJS.ReadableStream;
  /** Called with the bytes read so far and in all, while the files are read for the first time. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Ends opening and reading. */
  signal?: AbortSignal;
}

/**
 * Opens texts to watch a model on: files, folders (`.txt`, `.md`, `.jsonl`, `.ndjson`, `.npy`),
 * globs, `-` for standard input. Every file is read once to hash it and to note where its
 * documents are, then documents are read from their places in a seeded order: files may be far
 * larger than memory, which holds 22 bytes a document.
 *
 * In plain text, lines of `<|endoftext|>` stand between documents; in JSON lines an object is a
 * document; an `.npy` array of token ids is one. A text of more than 1 MiB and an array of more
 * than 1,048,576 ids count as several.
 *
 * @param inputs - what to read, in order: the numbers of documents follow it
 * @throws PipelineError `CORPUS_INVALID` naming file and place, `FILE_NOT_FOUND`, `IO_ERROR`,
 * `INVALID_ARGUMENT`, `ABORTED`
 *
 * @example
 * await using corpus = await openCorpus([
 *   { path: 'stories.txt', domain: 'stories' },
 *   { path: 'src', domain: 'code' },
 * ]);
 * for await (const { content } of corpus.documents(0)) console.log(content.length);
 */
export async function openCorpus(
  inputs: readonly (string | CorpusInput)[],
  options: OpenCorpusOptions = {},
): Promise<Corpus> {
  const { seed = 0, textKey = DEFAULT_TEXT_KEY, signal } = options;
  requireSeed(seed);
  const asked = inputs.map((input) => (typeof input === 'string' ? { path: input } : input));
  if (asked.length === 0) throw invalid('corpus', 'names nothing to read');
  const domains = domainsOf(asked);
  const spool = new Spool();
  try {
    const found = await findAll(asked, domains, spool, options);
    const totalBytes = await requireDistinct(found);
    const files: (IndexedFile & FoundFile)[] = [];
    let doneBytes = 0;
    const onBytes = (bytes: number) => {
      doneBytes += bytes;
      options.onProgress?.(doneBytes, totalBytes);
    };
    for (const file of found) {
      files.push({ ...file, ...(await indexFile(file, { textKey, signal, onBytes })) });
    }
    return new IndexedCorpus(domains, files, { seed, textKey, signal, spool });
  } catch (error) {
    await spool.remove();
    throw error;
  }
}

async function findAll(
  inputs: readonly CorpusInput[],
  domains: readonly string[],
  spool: Spool,
  options: OpenCorpusOptions,
): Promise<FoundFile[]> {
  const { cwd = process.cwd(), stdin, textKey, signal } = options;
  if (inputs.filter(({ path }) => path === '-').length > 1) {
    throw invalid('corpus', 'has standard input (-) more than once');
  }
  const found: FoundFile[] = [];
  // It may fail before its turn comes: it keeps the error until it is read.
  const keep = () => undefined;
  stdin?.on('error', keep);
  try {
    for (const input of inputs) {
      const domain = domains.indexOf(input.domain ?? '');
      const pipedJson = textKey !== undefined;
      const files = await findFiles(input, { cwd, stdin, spool, pipedJson, signal });
      found.push(...files.map((file) => ({ ...file, domain })));
    }
  } finally {
    stdin?.off('error', keep);
  }
  return found;
}

function requireSeed(seed: number): void {
  if (Number.isInteger(seed) && seed >= 0 && seed <= MAX_SEED) return;
  throw invalid('seed', `must be a whole number from 0 to ${MAX_SEED}, not ${String(seed)}`);
}

function invalid(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument} ${reason}.`, { argument, reason });
}

import { createHash } from 'node:crypto';
import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '@thermocline/contracts';
import type { NpyHeader } from '../npy.js';
import { changedError, throwIfAborted } from './corpus-error.js';
import { DocumentIndex } from './document-index.js';
import { type FileStamp, sameStamp, stampOf } from './file-stamp.js';
import type { InputFile } from './find-files.js';
import { IdsIndexer } from './index-ids.js';
import { JsonLinesIndexer } from './index-json-lines.js';
import { TextIndexer } from './index-text.js';

const CHUNK_BYTES = 1 << 20;

/** Finds the documents of one format as the bytes of a file come by. */
export interface FileIndexer {
  /** The bytes are only valid during the call. */
  push(chunk: Buffer): void;
  finish(): void;
}

/** A file that was read once: its hash, and where its documents are. */
export interface IndexedFile extends InputFile {
  sha256: string;
  documents: DocumentIndex;
  /** Of an `.npy` file. */
  header?: NpyHeader;
  stamp: FileStamp;
}

export interface IndexOptions {
  textKey: string;
  signal?: AbortSignal | undefined;
  /** Called with the bytes read since the last call. */
  onBytes?: ((bytes: number) => void) | undefined;
}

/**
 * Reads a file once, in chunks: hashes it, checks it, and notes where its documents are.
 *
 * @throws PipelineError `CORPUS_INVALID`, `IO_ERROR`, `ABORTED`
 */
export async function indexFile(input: InputFile, options: IndexOptions): Promise<IndexedFile> {
  try {
    const file = await open(input.path, 'r');
    try {
      return await indexOpenFile(input, file, options);
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(input.label, error);
  }
}

async function indexOpenFile(
  input: InputFile,
  file: FileHandle,
  options: IndexOptions,
): Promise<IndexedFile> {
  const stamp = await stampOf(file);
  const documents = new DocumentIndex();
  const indexer = createIndexer(input, documents, options.textKey);
  const hash = createHash('sha256');
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  for (;;) {
    throwIfAborted(options.signal);
    const { bytesRead } = await file.read(chunk, 0, chunk.length, null);
    if (bytesRead === 0) break;
    const bytes = chunk.subarray(0, bytesRead);
    hash.update(bytes);
    indexer.push(bytes);
    options.onBytes?.(bytesRead);
  }
  if (!sameStamp(stamp, await stampOf(file))) throw changedError(input.label);
  indexer.finish();
  const header = indexer instanceof IdsIndexer ? { header: indexer.header } : {};
  return { ...input, sha256: hash.digest('hex'), documents, stamp, ...header };
}

function createIndexer(input: InputFile, documents: DocumentIndex, textKey: string): FileIndexer {
  switch (input.format) {
    case 'text':
      return new TextIndexer(input.label, documents);
    case 'jsonl':
      return new JsonLinesIndexer(input.label, documents, textKey);
    case 'ids':
      return new IdsIndexer(input.label, documents);
  }
}

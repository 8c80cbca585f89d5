import { type FileHandle, open } from 'node:fs/promises';
import { fileError } from '@thermocline/contracts';
import { decodeIds } from '../npy.js';
import { changedError } from './corpus-error.js';
import type { DocumentPlace } from './document-index.js';
import { sameStamp, stampOf } from './file-stamp.js';
import type { IndexedFile } from './index-file.js';
import { parseTextLine } from './index-json-lines.js';
import { cutLongText } from './long-text.js';

// A corpus may have more files than a process may open.
const MAX_OPEN_FILES = 32;

/** Reads documents here and there in many files, and makes sure that these are what was indexed. */
export class DocumentReader {
  readonly #open = new Map<IndexedFile, FileHandle>();

  /** The line that was read last, cut: its pieces come one after the other. */
  #cut: { file: IndexedFile; offset: number; pieces: readonly string[] } | undefined;

  constructor(private readonly textKey: string) {}

  /**
   * @param index - number of the document in the file
   * @throws PipelineError `IO_ERROR` when the file has changed
   */
  async read(file: IndexedFile, index: number): Promise<string | Int32Array> {
    const place = file.documents.at(index);
    const cut = this.#cut;
    if (cut?.file === file && cut.offset === place.offset) {
      const text = cut.pieces[place.piece];
      if (text !== undefined) return text;
    }
    this.#cut = undefined;
    try {
      const bytes = await this.#bytes(file, place);
      return this.#content(file, place, bytes);
    } catch (error) {
      throw fileError(file.label, error);
    }
  }

  async close(): Promise<void> {
    const handles = [...this.#open.values()];
    this.#open.clear();
    for (const handle of handles) await handle.close();
  }

  async #bytes(file: IndexedFile, { offset, length }: DocumentPlace): Promise<Buffer> {
    const handle = await this.#handle(file);
    const bytes = Buffer.allocUnsafe(length);
    for (let done = 0; done < length; ) {
      const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
      if (bytesRead === 0) throw changedError(file.label);
      done += bytesRead;
    }
    // After the reading, so that what was read is what was indexed.
    if (!sameStamp(file.stamp, await stampOf(handle))) throw changedError(file.label);
    return bytes;
  }

  #content(
    file: IndexedFile,
    { offset, piece }: DocumentPlace,
    bytes: Buffer,
  ): string | Int32Array {
    const changed = () => changedError(file.label);
    if (file.header !== undefined) return decodeIds(bytes, file.header, 0, changed);
    if (file.format === 'text') return bytes.toString('utf8');
    const pieces = cutLongText(parseTextLine(bytes, this.textKey));
    const text = pieces[piece];
    if (text === undefined) throw changed();
    if (pieces.length > 1) this.#cut = { file, offset, pieces };
    return text;
  }

  async #handle(file: IndexedFile): Promise<FileHandle> {
    const known = this.#open.get(file);
    if (known !== undefined) return known;
    if (this.#open.size === MAX_OPEN_FILES) {
      const [oldest] = this.#open.keys();
      await this.#open.get(oldest as IndexedFile)?.close();
      this.#open.delete(oldest as IndexedFile);
    }
    const handle = await open(file.path, 'r');
    this.#open.set(file, handle);
    return handle;
  }
}

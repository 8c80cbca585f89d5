import {
  decodeIds,
  idBytes,
  MAX_NPY_HEADER_BYTES,
  type NpyHeader,
  npyHeaderLength,
  parseIdsHeader,
} from '../npy.js';
import { corpusError } from './corpus-error.js';
import type { DocumentIndex } from './document-index.js';
import type { FileIndexer } from './index-file.js';

/** A document of token ids is at most this long; a power of two, so that common windows fill it. */
export const MAX_DOCUMENT_IDS = 1 << 20;

/** Takes an array of token ids for one document, a long one for several, and checks every id. */
export class IdsIndexer implements FileIndexer {
  #header: (NpyHeader & { length: number }) | undefined;
  /** Bytes that are not dealt with: the header until it is complete, then part of an id. */
  #rest: Buffer = Buffer.alloc(0);
  /** Ids checked. */
  #ids = 0;

  constructor(
    private readonly path: string,
    private readonly documents: DocumentIndex,
  ) {}

  push(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const header = this.#header ?? this.#readHeader(bytes);
    if (header === undefined) {
      this.#rest = Buffer.from(bytes);
      return;
    }
    const values = this.#header ? bytes : bytes.subarray(header.start);
    this.#header = header;
    const whole = values.length - (values.length % idBytes(header));
    this.#ids += decodeIds(values.subarray(0, whole), header, this.#ids, this.#refuse).length;
    this.#rest = Buffer.from(values.subarray(whole));
    if (this.#ids > header.length) throw this.#incomplete(header);
  }

  finish(): void {
    const header = this.#header;
    if (header === undefined) throw this.#refuse('it ends inside its header');
    if (this.#ids !== header.length || this.#rest.length > 0) throw this.#incomplete(header);
    const width = idBytes(header);
    for (let first = 0; first < header.length; first += MAX_DOCUMENT_IDS) {
      const ids = Math.min(MAX_DOCUMENT_IDS, header.length - first);
      this.documents.add(header.start + first * width, ids * width);
    }
  }

  /** How the ids are stored, once the file is indexed. */
  get header(): NpyHeader {
    return this.#header as NpyHeader;
  }

  #readHeader(bytes: Buffer) {
    const length = npyHeaderLength(bytes, this.#refuse);
    if (length === undefined || bytes.length < Math.min(length, MAX_NPY_HEADER_BYTES)) return;
    return parseIdsHeader(bytes, this.#refuse);
  }

  #incomplete({ length, type }: { length: number; type: string }) {
    return this.#refuse(`its ${length} values of ${type} do not fill the file, or it is too long`);
  }

  readonly #refuse = (reason: string, element?: number) =>
    corpusError(this.path, `the file cannot be read as token ids: ${reason}`, {
      ...(element !== undefined && { place: `element ${element}` }),
      remedy: 'Save a one-dimensional array of whole numbers with numpy.save',
    });
}

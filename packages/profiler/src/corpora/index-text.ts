import { DOCUMENT_SEPARATOR } from '../split-documents.js';
import { corpusError } from './corpus-error.js';
import type { DocumentIndex } from './document-index.js';
import type { FileIndexer } from './index-file.js';
import { LineReader, type LineTaker } from './line-reader.js';
import { characterStart, isBlank, MAX_TEXT_BYTES } from './long-text.js';

const SEPARATOR = Buffer.from(DOCUMENT_SEPARATOR);
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * Finds the documents of a plain text as it comes by: what `splitDocuments` finds in the whole
 * text, and long ones in pieces (see `cutLongText`).
 */
export class TextIndexer implements FileIndexer, LineTaker {
  readonly heldBytes = MAX_TEXT_BYTES;
  readonly #lines = new LineReader(this);
  #bytesSeen = 0;
  /** First byte of the document that is under way. */
  #start: number | undefined;
  /** Where it ends for now, and how many of its last bytes are a line break. */
  #end = 0;
  #lastBreak = 0;
  #blank = true;
  /** The line has lost its beginning to a piece. */
  #insideLine = false;

  constructor(
    private readonly path: string,
    private readonly documents: DocumentIndex,
  ) {}

  push(chunk: Buffer): void {
    const zero = chunk.indexOf(0);
    if (zero >= 0) throw looksBinary(this.path, this.#bytesSeen + zero);
    this.#bytesSeen += chunk.length;
    this.#lines.push(chunk);
  }

  finish(): void {
    this.#lines.end();
    this.#close(this.#end);
  }

  line(bytes: Buffer, offset: number): void {
    const lineBreak = lineBreakLength(bytes);
    if (!this.#insideLine && isSeparator(bytes, lineBreak)) {
      this.#close(this.#end - this.#lastBreak);
      this.#start = undefined;
      this.#lastBreak = 0;
    } else {
      this.#append(bytes, offset);
      this.#lastBreak = lineBreak;
    }
    this.#insideLine = false;
  }

  partial(bytes: Buffer, offset: number): number {
    const left = this.#cut(bytes, offset);
    this.#insideLine = true;
    this.#end = offset + left;
    return left;
  }

  #append(bytes: Buffer, offset: number): void {
    const left = this.#cut(bytes, offset);
    this.#blank &&= isBlank(bytes.subarray(left));
    this.#end = offset + bytes.length;
  }

  /** Ends pieces until the bytes fit the document; how many of them went into those. */
  #cut(bytes: Buffer, offset: number): number {
    this.#start ??= offset;
    const end = offset + bytes.length;
    if (end - this.#start <= MAX_TEXT_BYTES) return 0;
    if (this.#start < offset) this.#close(offset);
    let left = 0;
    while (bytes.length - left > MAX_TEXT_BYTES) {
      const cut = characterStart(bytes, left + MAX_TEXT_BYTES);
      this.#blank = isBlank(bytes.subarray(left, cut));
      this.#close(offset + cut);
      left = cut;
    }
    return left;
  }

  /** Ends a document or a piece; the next one begins there. */
  #close(end: number): void {
    if (this.#start !== undefined && end > this.#start && !this.#blank) {
      this.documents.add(this.#start, end - this.#start);
    }
    this.#start = end;
    this.#blank = true;
  }
}

function lineBreakLength(line: Buffer): number {
  if (line.at(-1) !== LINE_FEED) return 0;
  return line.at(-2) === CARRIAGE_RETURN ? 2 : 1;
}

function isSeparator(line: Buffer, lineBreak: number): boolean {
  if (line.length !== SEPARATOR.length + lineBreak) return false;
  return SEPARATOR.compare(line, 0, SEPARATOR.length) === 0;
}

function looksBinary(path: string, offset: number) {
  return corpusError(path, 'looks binary: there is a zero byte', {
    place: `byte ${offset}`,
    remedy:
      'Give text in UTF-8. Convert UTF-16 with iconv; of a compressed file, pipe the text in: zcat FILE | … --corpus -',
  });
}

import { corpusError } from './corpus-error.js';
import type { DocumentIndex } from './document-index.js';
import type { FileIndexer } from './index-file.js';
import { LineReader, type LineTaker } from './line-reader.js';
import { cutLongText, isBlank } from './long-text.js';

/** A line is parsed whole; this bounds the memory that takes. */
const MAX_LINE_BYTES = 1 << 26;

/** Finds the documents of a file of JSON objects, one a line: the texts of one field. */
export class JsonLinesIndexer implements FileIndexer, LineTaker {
  readonly heldBytes = MAX_LINE_BYTES;
  readonly #lines = new LineReader(this);
  #line = 0;

  constructor(
    private readonly path: string,
    private readonly documents: DocumentIndex,
    private readonly textKey: string,
  ) {}

  push(chunk: Buffer): void {
    this.#lines.push(chunk);
  }

  finish(): void {
    this.#lines.end();
  }

  line(bytes: Buffer, offset: number): void {
    this.#line += 1;
    if (isBlank(bytes)) return;
    const pieces = cutLongText(this.#text(bytes));
    for (const [piece, text] of pieces.entries()) {
      if (text.trim() !== '') this.documents.add(offset, bytes.length, piece);
    }
  }

  partial(): number {
    throw corpusError(this.path, `the line is longer than ${MAX_LINE_BYTES >> 20} MiB`, {
      place: `line ${this.#line + 1}`,
      remedy: 'Put one JSON object on each line, and cut documents that long',
    });
  }

  #text(bytes: Buffer): string {
    try {
      return parseTextLine(bytes, this.textKey);
    } catch (error) {
      throw corpusError(this.path, (error as Error).message, {
        place: `line ${this.#line}`,
        remedy: `Each line is to be an object such as {${JSON.stringify(this.textKey)}: "…"}; another field is chosen with --text-key`,
      });
    }
  }
}

/**
 * The text of one line.
 *
 * @throws Error saying what is wrong with the line
 */
export function parseTextLine(bytes: Buffer, textKey: string): string {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw new Error('this is no JSON');
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error('this is no JSON object');
  }
  const text = Object.hasOwn(value, textKey) ? (value as Record<string, unknown>)[textKey] : null;
  if (typeof text === 'string') return text;
  const keys = Object.keys(value)
    .slice(0, 8)
    .map((key) => JSON.stringify(key.slice(0, 40)));
  const found = keys.length === 0 ? 'it has none' : `it has ${keys.join(', ')}`;
  throw new Error(`the object has no field ${JSON.stringify(textKey)} with a string; ${found}`);
}

const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);

/** Takes lines as they become complete. Bytes are only valid during the call. */
export interface LineTaker {
  /** The beginning of a line is held back until it is longer than this. */
  readonly heldBytes: number;
  /** A line with its line break, which only the last may lack. `offset` is its first byte. */
  line(bytes: Buffer, offset: number): void;
  /**
   * The beginning of a line that is longer than is held back. How many bytes of it are dealt with:
   * they are not seen again.
   */
  partial(bytes: Buffer, offset: number): number;
}

/**
 * Cuts a file that comes in chunks into lines, whatever the chunks. Holds one incomplete line. A
 * byte order mark at the beginning is passed over.
 */
export class LineReader {
  // Joined only when the line is complete: joining at every chunk would copy a long line over and
  // over.
  #rest: Buffer[] = [];
  #restBytes = 0;
  /** Of the first byte of `#rest` in the file. */
  #offset = 0;
  #begun = false;

  constructor(private readonly taker: LineTaker) {}

  push(chunk: Buffer): void {
    if (this.#begun) this.#cut(chunk);
    else this.#begin(Buffer.concat([...this.#rest, chunk]));
  }

  end(): void {
    if (this.#restBytes === 0) return;
    const rest = Buffer.concat(this.#rest);
    this.#keep();
    this.taker.line(rest, this.#offset);
  }

  #begin(bytes: Buffer): void {
    const marked = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
    if (!marked && BYTE_ORDER_MARK.subarray(0, bytes.length).equals(bytes)) {
      this.#keep(bytes);
      return;
    }
    this.#begun = true;
    this.#keep();
    if (marked) this.#offset = BYTE_ORDER_MARK.length;
    this.#cut(marked ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes);
  }

  #cut(chunk: Buffer): void {
    let start = 0;
    for (;;) {
      const end = chunk.indexOf(LINE_FEED, start) + 1;
      if (end === 0) break;
      const line = this.#joined(chunk.subarray(start, end));
      this.#keep();
      this.taker.line(line, this.#offset);
      this.#offset += line.length;
      start = end;
    }
    const rest = chunk.subarray(start);
    if (this.#restBytes + rest.length <= this.taker.heldBytes) {
      this.#hold(rest);
      return;
    }
    const bytes = this.#joined(rest);
    const done = this.taker.partial(bytes, this.#offset);
    this.#offset += done;
    this.#keep(bytes.subarray(done));
  }

  #joined(bytes: Buffer): Buffer {
    return this.#restBytes === 0 ? bytes : Buffer.concat([...this.#rest, bytes]);
  }

  #keep(bytes: Buffer = Buffer.alloc(0)): void {
    [this.#rest, this.#restBytes] = [[], 0];
    this.#hold(bytes);
  }

  #hold(bytes: Buffer): void {
    if (bytes.length === 0) return;
    // A copy: whoever reads may fill the chunk again.
    this.#rest.push(Buffer.from(bytes));
    this.#restBytes += bytes.length;
  }
}

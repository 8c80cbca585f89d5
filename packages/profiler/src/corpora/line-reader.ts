const LINE_FEED = 0x0a;
const BYTE_ORDER_MARK = [0xef, 0xbb, 0xbf] as const;

/** Takes lines as they become complete. Bytes are only valid during the call. */
export interface LineTaker {
  /** A line with its line break, which only the last may lack. `offset` is its first byte. */
  line(bytes: Buffer, offset: number): void;
  /**
   * The beginning of a line that is not complete yet. How many bytes of it are dealt with: they
   * are not seen again.
   */
  partial(bytes: Buffer, offset: number): number;
}

/**
 * Cuts a file that comes in chunks into lines, whatever the chunks. Holds one incomplete line. A
 * byte order mark at the beginning is passed over.
 */
export class LineReader {
  #rest: Buffer = Buffer.alloc(0);
  /** Of the first byte of `#rest` in the file. */
  #offset = 0;
  #begun = false;

  constructor(private readonly taker: LineTaker) {}

  push(chunk: Buffer): void {
    let from = this.#rest.length;
    const bytes = from === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let start = 0;
    if (!this.#begun) {
      if (bytes.length < BYTE_ORDER_MARK.length) {
        this.#rest = Buffer.from(bytes);
        return;
      }
      start = from = this.#begin(bytes);
    }
    for (;;) {
      const lineFeed = bytes.indexOf(LINE_FEED, from);
      if (lineFeed < 0) break;
      this.taker.line(bytes.subarray(start, lineFeed + 1), this.#offset + start);
      start = from = lineFeed + 1;
    }
    start += this.taker.partial(bytes.subarray(start), this.#offset + start);
    // A copy: whoever reads may fill the chunk again.
    this.#rest = Buffer.from(bytes.subarray(start));
    this.#offset += start;
  }

  end(): void {
    if (this.#begun || this.#rest.length === 0) {
      if (this.#rest.length > 0) this.taker.line(this.#rest, this.#offset);
      return;
    }
    const rest = this.#rest;
    this.#rest = Buffer.alloc(0);
    this.#begun = true;
    this.push(rest);
    this.end();
  }

  #begin(bytes: Buffer): number {
    this.#begun = true;
    return BYTE_ORDER_MARK.every((byte, index) => bytes[index] === byte) ? 3 : 0;
  }
}

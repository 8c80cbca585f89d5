// A document takes 14 bytes here, however long it is.
const FIRST_CAPACITY = 1024;

/** Where in its file a document is. */
export interface DocumentPlace {
  /** First byte. */
  offset: number;
  /** Bytes. */
  length: number;
  /** Which piece of a long text, where the place holds several. */
  piece: number;
}

/** The places of the documents of one file, in the order of the file. */
export class DocumentIndex {
  /** Documents. */
  length = 0;
  #offsets = new Float64Array(FIRST_CAPACITY);
  #lengths = new Uint32Array(FIRST_CAPACITY);
  #pieces = new Uint16Array(FIRST_CAPACITY);

  add(offset: number, length: number, piece = 0): void {
    if (this.length === this.#offsets.length) this.#grow();
    this.#offsets[this.length] = offset;
    this.#lengths[this.length] = length;
    this.#pieces[this.length] = piece;
    this.length += 1;
  }

  at(index: number): DocumentPlace {
    return {
      offset: this.#offsets[index] as number,
      length: this.#lengths[index] as number,
      piece: this.#pieces[index] as number,
    };
  }

  /** Whether a document lies in the same place as the one before: both are pieces of one text. */
  continues(index: number): boolean {
    return index > 0 && this.#offsets[index] === this.#offsets[index - 1];
  }

  #grow(): void {
    const capacity = 2 * this.length;
    const larger = <T extends Float64Array | Uint32Array | Uint16Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#offsets = larger(new Float64Array(capacity), this.#offsets);
    this.#lengths = larger(new Uint32Array(capacity), this.#lengths);
    this.#pieces = larger(new Uint16Array(capacity), this.#pieces);
  }
}

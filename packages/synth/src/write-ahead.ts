import type { AppendBytes } from '@thermocline/contracts';

const BUFFER_BYTES = 8 << 20;

/**
 * Two buffers: while one is on its way to the disk the other is filled. Whoever fills faster than the
 * disk takes waits in `make`.
 */
export class WriteAhead implements AsyncDisposable {
  buffer = new Uint8Array(BUFFER_BYTES);
  used = 0;
  #other = new Uint8Array(BUFFER_BYTES);
  #writing: Promise<void> = Promise.resolve();
  #written = 0;

  /** @param onWritten - told how many bytes are written; may throw to end it */
  constructor(
    readonly append: AppendBytes,
    readonly onWritten: (bytes: number) => void,
  ) {}

  /** Room for so many bytes in `buffer`; `undefined` where there is none, and `make` has to be called. */
  take(bytes: number): number | undefined {
    if (this.used + bytes > this.buffer.length) return undefined;
    this.used += bytes;
    return this.used - bytes;
  }

  /** Hands what is there to the disk and takes room in the other buffer. */
  async make(bytes: number): Promise<number> {
    await this.#flush();
    if (bytes > this.buffer.length) this.buffer = new Uint8Array(bytes);
    this.used = bytes;
    return 0;
  }

  /** Writes the rest. */
  async finish(): Promise<void> {
    await this.#flush();
    await this.#writing;
    this.onWritten(this.#written);
  }

  async #flush(): Promise<void> {
    await this.#writing;
    this.onWritten(this.#written);
    const full = this.buffer.subarray(0, this.used);
    this.#written += full.length;
    this.#writing = this.append(full);
    // Whether it failed is asked at the next flush.
    this.#writing.catch(() => undefined);
    [this.buffer, this.#other] = [this.#other, this.buffer];
    this.used = 0;
  }

  /** The file may be closed only when nothing is on its way any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writing.catch(() => undefined);
  }
}

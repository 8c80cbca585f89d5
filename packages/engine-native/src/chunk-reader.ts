/**
 * A queue with one reader, as an async iterator: what is pushed waits until it is read. Leaving
 * the loop early calls `onLeave`, then waits for the end, so that nothing runs on unseen.
 */
export class ChunkReader<T> implements AsyncIterableIterator<T> {
  readonly #chunks: T[] = [];
  readonly #onLeave: () => void;
  #ended = false;
  #failure: { error: unknown } | undefined;
  #wake: (() => void)[] = [];

  constructor(onLeave: () => void) {
    this.#onLeave = onLeave;
  }

  push(chunk: T): void {
    this.#chunks.push(chunk);
    this.#notify();
  }

  end(): void {
    this.#ended = true;
    this.#notify();
  }

  /** Ends with an error, which the reader gets after what came before it. */
  fail(error: unknown): void {
    this.#failure = { error };
    this.end();
  }

  async next(): Promise<IteratorResult<T, undefined>> {
    while (this.#chunks.length === 0 && !this.#ended) await this.#change();
    const value = this.#chunks.shift();
    if (value !== undefined) return { value, done: false };
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure) throw failure.error;
    return { value: undefined, done: true };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#onLeave();
    while (!this.#ended) await this.#change();
    this.#chunks.length = 0;
    return { value: undefined, done: true };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#wake.push(resolve));
  }

  #notify(): void {
    const waiting = this.#wake;
    this.#wake = [];
    for (const wake of waiting) wake();
  }
}

import { EXIT } from './exit-codes.js';

// Package managers pass Ctrl-C on to a program that the terminal has told already.
const SAME_KEYPRESS_MS = 300;

/**
 * Turns Ctrl-C into an abort, so that a command can stop and show what there is. A second Ctrl-C
 * ends the program at once.
 */
export class Interrupt implements Disposable {
  readonly #controller = new AbortController();
  readonly #listener = () => this.#onSignal();
  #since: number | undefined;

  constructor() {
    process.on('SIGINT', this.#listener);
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  get requested(): boolean {
    return this.signal.aborted;
  }

  #onSignal(): void {
    const now = performance.now();
    if (this.#since !== undefined && now - this.#since > SAME_KEYPRESS_MS)
      process.exit(EXIT.interrupted);
    this.#since ??= now;
    this.#controller.abort();
  }

  [Symbol.dispose](): void {
    process.off('SIGINT', this.#listener);
  }
}

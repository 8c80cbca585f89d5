import { formatMs, formatRate } from './format.js';

/** How fast something goes, and how long it will take. */
export class RateMeter {
  #first: { done: number; at: number } | undefined;
  #last: { done: number; at: number } | undefined;

  /** Notes that `done` tokens are done now. What was done before the first call does not count. */
  update(done: number): void {
    const now = { done, at: performance.now() };
    this.#first ??= now;
    this.#last = now;
  }

  /** Tokens per second between the first and the last call; `null` as long as that is unknown. */
  get perSecond(): number | null {
    const [first, last] = [this.#first, this.#last];
    if (first === undefined || last === undefined || last.done <= first.done) return null;
    return ((last.done - first.done) / (last.at - first.at)) * 1000;
  }

  /** For a progress bar: `12,300 tokens/s, 1.5 min left`. */
  describe(total: number | undefined): string {
    const rate = this.perSecond;
    if (rate === null) return '';
    const left = ((total ?? 0) - (this.#last?.done ?? 0)) / rate;
    const time = left >= 120 ? `${(left / 60).toFixed(0)} min` : formatMs(left * 1000);
    return formatRate(rate, 'tokens/s') + (left > 0 ? `, ${time} left` : '');
  }
}

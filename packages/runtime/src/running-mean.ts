/** A mean of many numbers and how sure it is, without keeping the numbers (Welford, 1962). */
export class RunningMean {
  count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    this.count++;
    const before = value - this.#mean;
    this.#mean += before / this.count;
    this.#squares += before * (value - this.#mean);
  }

  get mean(): number {
    return this.count > 0 ? this.#mean : Number.NaN;
  }

  /** Of the mean, from the spread of the numbers; `null` below two. */
  get standardError(): number | null {
    if (this.count < 2) return null;
    return Math.sqrt(this.#squares / (this.count - 1) / this.count);
  }
}

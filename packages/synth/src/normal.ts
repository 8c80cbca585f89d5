// Probabilities of sums of many small independent parts: the normal distribution with the first
// correction for what the parts are (Edgeworth, by their excess kurtosis; they have no skew).

/** Density of the standard normal distribution. */
export function normalDensity(x: number): number {
  return Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
}

/** P(X > x) of the standard normal distribution, to a relative 1e-12 or so in both tails. */
export function normalTail(x: number): number {
  if (x < 0) return 1 - normalTail(-x);
  return x < 3 ? 0.5 - normalDensity(x) * oddSeries(x) : normalDensity(x) / fraction(x);
}

// x + x³/3 + x⁵/(3·5) + …
function oddSeries(x: number): number {
  let term = x;
  let sum = x;
  for (let n = 3; term > sum * 1e-17; n += 2) {
    term *= (x * x) / n;
    sum += term;
  }
  return sum;
}

// x + 1/(x + 2/(x + 3/(x + …)))
function fraction(x: number): number {
  let value = x;
  for (let n = 60; n > 0; n--) value = x + n / value;
  return value;
}

/** P(X > x) of a sum of unit variance with this excess kurtosis. */
export function sumTail(x: number, kurtosis: number): number {
  const corrected = normalTail(x) + normalDensity(x) * (kurtosis / 24) * (x * x * x - 3 * x);
  return Math.min(1, Math.max(0, corrected));
}

/** The x that such a sum exceeds with this probability. */
export function sumQuantile(probability: number, kurtosis: number): number {
  let [low, high] = [-8, 8];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (sumTail(middle, kurtosis) > probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

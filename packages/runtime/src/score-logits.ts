/** Where the logits of one position peak, and what makes probabilities of them. */
export interface LogitPeak {
  /** The most likely token; of equals the first. */
  top: number;
  /** log Σ e^logit: a token's log-probability is its logit less this. */
  logSum: number;
}

// Evaluating a model with a large vocabulary spends as long here as in Math.exp, which is slow
// because it is right to the last bit. A table of 2^(-i/32) and five terms of the series are
// right to 1e-10 and take an eighth of the time. Below e^-50 nothing changes a sum of a million.
const LEAST = -50;
const STEPS_PER_UNIT = 32 / Math.LN2;
const STEP = 1 / STEPS_PER_UNIT;
const POWERS = Float64Array.from({ length: Math.ceil(-LEAST * STEPS_PER_UNIT) + 1 }, (_, i) =>
  Math.exp(-i * STEP),
);

/** e^x for x ≤ 0; what is not a number stays so. */
function expOfNegative(x: number): number {
  if (x < LEAST) return 0;
  const steps = (-x * STEPS_PER_UNIT) | 0;
  const rest = x + steps * STEP;
  const series = 1 + rest * (1 + rest * (1 / 2 + rest * (1 / 6 + rest / 24)));
  return (POWERS[steps] as number) * series;
}

/**
 * Finds the most likely token and the logarithm of the sum of all likelihoods.
 *
 * @example
 * const { logSum } = findPeak(logits);
 * const nll = logSum - logits[target];
 */
export function findPeak(logits: Float32Array): LogitPeak {
  let [top, highest] = [0, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i] as number;
    if (logit > highest) {
      top = i;
      highest = logit;
    }
  }
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += expOfNegative((logits[i] as number) - highest);
  return { top, logSum: highest + Math.log(sum) };
}

/**
 * How far a distribution q is from the distribution p that it stands in for: KL(p‖q), nats.
 *
 * @example
 * const lost = divergence(dense, findPeak(dense), sparse, findPeak(sparse));
 */
export function divergence(
  p: Float32Array,
  { logSum: ofP }: LogitPeak,
  q: Float32Array,
  { logSum: ofQ }: LogitPeak,
): number {
  let sum = 0;
  for (let i = 0; i < p.length; i++) {
    const logit = p[i] as number;
    const probability = expOfNegative(logit - ofP);
    // What p excludes costs nothing, whatever q makes of it.
    if (probability !== 0) sum += probability * (logit - ofP - ((q[i] as number) - ofQ));
  }
  // Of equal distributions rounding may leave less than nothing.
  return Math.max(sum, 0);
}

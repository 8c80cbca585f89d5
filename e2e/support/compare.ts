import { expect } from 'vitest';

/** A token with its logit. */
export interface TokenLogit {
  id: number;
  logit: number;
}

/** The `count` highest logits, highest first; equal ones by id. */
export function topLogits(logits: ArrayLike<number>, count: number): TokenLogit[] {
  return Array.from(logits, (logit, id) => ({ id, logit }))
    .sort((a, b) => b.logit - a.logit || a.id - b.id)
    .slice(0, count);
}

/** The token of the highest logit, and how far it is above the second highest. */
export function best(logits: ArrayLike<number>): { id: number; margin: number } {
  let id = 0;
  let second = Number.NEGATIVE_INFINITY;
  for (let i = 1; i < logits.length; i++) {
    const [value, highest] = [logits[i] as number, logits[id] as number];
    if (value > highest) {
      second = highest;
      id = i;
    } else if (value > second) second = value;
  }
  return { id, margin: (logits[id] as number) - second };
}

/** The largest absolute difference, and the largest absolute value of `expected`. */
export function difference(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
): { absolute: number; scale: number; relative: number } {
  expect(actual.length).toBe(expected.length);
  let absolute = 0;
  let scale = 0;
  for (let i = 0; i < expected.length; i++) {
    const [a, b] = [actual[i] ?? Number.NaN, expected[i] ?? Number.NaN];
    // A NaN on either side must not pass as "no difference".
    const gap = Math.abs(a - b);
    absolute = Number.isNaN(gap) ? Number.POSITIVE_INFINITY : Math.max(absolute, gap);
    scale = Math.max(scale, Math.abs(b));
  }
  return { absolute, scale, relative: absolute / scale };
}

/** Requires every logit to agree within `tolerance` × the largest expected one. */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  expect(difference(actual, expected).relative).toBeLessThanOrEqual(tolerance);
}

/** Requires the very same bits. */
export function expectSameBits(actual: Float32Array, expected: Float32Array): void {
  const bits = (values: Float32Array): Buffer =>
    Buffer.from(values.buffer, values.byteOffset, values.byteLength);
  expect(bits(actual).equals(bits(expected))).toBe(true);
}

/**
 * Requires two lists of top logits to agree: each logit within `tolerance` × the largest, and the
 * same ids. Where two expected logits are closer than twice the allowed error, either may come
 * first, and at the end of the list the runner-up may have taken the last place.
 */
export function expectSameTop(
  actual: readonly TokenLogit[],
  expected: readonly TokenLogit[],
  tolerance: number,
): void {
  expect(actual).toHaveLength(expected.length);
  const scale = Math.max(...expected.map(({ logit }) => Math.abs(logit)));
  const allowed = tolerance * scale;
  const byId = new Map(expected.map(({ id, logit }) => [id, logit]));
  const lowest = expected.at(-1)?.logit ?? Number.NaN;
  for (const [rank, { id, logit }] of actual.entries()) {
    const known = byId.get(id) ?? lowest;
    const place = expected[rank]?.logit ?? Number.NaN;
    expect(Math.abs(logit - known), `logit of token ${id}`).toBeLessThanOrEqual(allowed);
    expect(Math.abs(logit - place), `place ${rank} of token ${id}`).toBeLessThanOrEqual(allowed);
  }
  const strangers = actual.filter(({ id }) => !byId.has(id));
  const contested = expected.filter(({ logit }) => logit - lowest <= 2 * allowed);
  expect(strangers.length, 'ids outside the top').toBeLessThan(Math.max(1, contested.length));
}

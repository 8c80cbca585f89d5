import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { maximiseConcave, maximiseOnHalfLine } from './concave-search.js';

const nearness = { tolerance: 1e-9, scale: 1 };
const start = { guess: 0, step: 1, limit: 1e6 };

/** The least of straight lines: concave, with kinks. */
function leastOf(lines: readonly (readonly [number, number])[]) {
  return (x: number) => {
    let best = { value: Number.POSITIVE_INFINITY, slope: 0 };
    for (const [base, slope] of lines)
      if (base + slope * x < best.value) best = { value: base + slope * x, slope };
    return best;
  };
}

test('finds the kink where two lines meet at once', () => {
  let calls = 0;
  const tent = leastOf([
    [0, 2],
    [9, -1],
  ]);
  const { left, right, share, at } = maximiseConcave(
    (x) => {
      calls++;
      return tent(x);
    },
    0,
    10,
    nearness,
  );
  expect(calls).toBeLessThanOrEqual(4);
  expect(at).toBeCloseTo(3, 9);
  expect(Math.max(left.value, right.value)).toBeCloseTo(6, 9);
  // A third of slope 2 and two of slope −1 are level.
  expect(share * left.slope + (1 - share) * right.slope).toBeCloseTo(0, 9);
});

test('finds the maximum of a smooth function far from where it starts', () => {
  const logarithm = (x: number) => ({
    value: Math.log(x + 1e-9) - x / 5000,
    slope: 1 / (x + 1e-9) - 1 / 5000,
  });
  for (const guess of [0, 1e-3, 4000, 6000, 1e6]) {
    const { left, right } = maximiseOnHalfLine(logarithm, { ...start, guess }, nearness);
    expect(Math.max(left.value, right.value)).toBeCloseTo(Math.log(5000) - 1, 7);
  }
});

test('a function that only falls is best at 0, and one that only rises at the limit', () => {
  const falling = maximiseOnHalfLine(
    (x) => ({ value: -x, slope: -1 }),
    { ...start, guess: 7 },
    nearness,
  );
  expect(falling.at).toBe(0);
  const rising = maximiseOnHalfLine((x) => ({ value: x, slope: 1 }), start, nearness);
  expect(rising.at).toBe(1e6);
});

test('is never above the maximum, and near it', () => {
  const line = fc.tuple(fc.integer({ min: 0, max: 100 }), fc.integer({ min: -50, max: 50 }));
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), (lines) => {
      const least = leastOf([...lines, [1000, -1]]);
      const { left, right } = maximiseOnHalfLine(least, start, nearness);
      const found = Math.max(left.value, right.value);
      // A concave function of lines is highest at 0 or where two of them meet.
      const all = [...lines, [1000, -1] as const];
      const meets = all.flatMap(([a, b]) => all.map(([c, d]) => (c - a) / (b - d)));
      const best = Math.max(...[0, ...meets].filter((x) => x >= 0).map((x) => least(x).value));
      expect(found).toBeLessThanOrEqual(best + 1e-9);
      expect(found).toBeGreaterThanOrEqual(best - 1e-6 * Math.max(1, Math.abs(best)));
    }),
  );
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { ratioInterval } from './ratio-interval.js';
import { seededRandom } from './tokens.js';

const speeds = fc.array(fc.double({ min: 1, max: 1000, noNaN: true }), {
  minLength: 3,
  maxLength: 9,
});

it('holds the ratio of the medians, and does not depend on the unit', () => {
  fc.assert(
    fc.property(speeds, speeds, fc.constantFrom(0.5, 2, 1024), (before, after, unit) => {
      const { ratio, interval } = ratioInterval(before, after);
      const [low, high] = interval as [number, number];
      expect(low).toBeLessThanOrEqual(ratio * (1 + 1e-12));
      expect(high).toBeGreaterThanOrEqual(ratio * (1 - 1e-12));
      const scaled = (values: number[]) => values.map((value) => value * unit);
      expect(ratioInterval(scaled(before), scaled(after))).toEqual({ ratio, interval });
    }),
    { numRuns: 20 },
  );
});

it('says nothing about the spread of two values', () => {
  expect(ratioInterval([1, 2], [3, 4, 5])).toEqual({ ratio: 4 / 1.5, interval: null });
});

it('seldom excludes 1 where nothing changed, and finds a change that is there', () => {
  const random = seededRandom(11);
  const noisy = (speed: number) => Array.from({ length: 5 }, () => speed * (1 + 0.06 * random()));
  let wrong = 0;
  let found = 0;
  for (let i = 0; i < 60; i++) {
    const [low, high] = ratioInterval(noisy(100), noisy(100)).interval as [number, number];
    if (low > 1 || high < 1) wrong += 1;
    const changed = ratioInterval(noisy(100), noisy(85)).interval as [number, number];
    if (changed[1] < 0.95) found += 1;
  }
  expect(wrong).toBeLessThanOrEqual(4);
  expect(found).toBeGreaterThan(55);
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { normalDensity, normalTail, sumQuantile, sumTail } from './normal.js';

describe('the normal distribution', () => {
  // Abramowitz and Stegun, table 26.2.
  it.each([
    [0, 0.5],
    [1, 0.158655253931457],
    [2, 0.022750131948179],
    [3, 0.00134989803163],
    [4, 3.167124183312e-5],
    [6, 9.86587645037698e-10],
    [-1, 0.841344746068543],
  ])('is above %d with probability %d', (x, expected) => {
    expect(normalTail(x) / expected).toBeCloseTo(1, 10);
  });

  it('has its density for a slope', () => {
    fc.assert(
      fc.property(fc.double({ min: -5, max: 5, noNaN: true }), (x) => {
        const slope = (normalTail(x - 1e-5) - normalTail(x + 1e-5)) / 2e-5;
        expect(slope).toBeCloseTo(normalDensity(x), 6);
      }),
    );
  });

  it('finds what is exceeded with a probability, also of sums that are a little off', () => {
    const rates = fc.double({ min: 1e-4, max: 0.95, noNaN: true });
    fc.assert(
      fc.property(rates, fc.double({ min: -0.05, max: 0, noNaN: true }), (rate, kurtosis) => {
        expect(sumTail(sumQuantile(rate, kurtosis), kurtosis) / rate).toBeCloseTo(1, 6);
      }),
    );
  });

  it('knows that a sum of a few uniform parts has thinner tails', () => {
    // 12 uniform parts: excess kurtosis -1.2 / 12. P(X > 2) and P(X > 3) of Irwin and Hall.
    expect(sumTail(2, -0.1) / 0.022275583).toBeCloseTo(1, 2);
    expect(sumTail(3, -0.1) / 0.001007001).toBeCloseTo(1, 1);
  });
});

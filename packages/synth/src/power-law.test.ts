import fc from 'fast-check';
import { expect, it } from 'vitest';
import { powerLawRates } from './power-law.js';

const mean = (values: Float64Array) =>
  values.reduce((sum, value) => sum + value, 0) / values.length;

it('averages to the density, falls, and stays between its bounds', () => {
  const skews = fc.double({ min: 0, max: 2, noNaN: true });
  const densities = fc.double({ min: 0.001, max: 0.9, noNaN: true });
  fc.assert(
    fc.property(fc.integer({ min: 64, max: 4096 }), densities, skews, (neurons, density, skew) => {
      const rates = powerLawRates(neurons, density, skew);
      expect(mean(rates)).toBeCloseTo(density, 9);
      for (let i = 1; i < neurons; i++)
        expect(rates[i]).toBeLessThanOrEqual(rates[i - 1] as number);
      expect(rates[0]).toBeLessThanOrEqual(0.95);
      expect(rates.at(-1)).toBeGreaterThanOrEqual(0.02 * density);
    }),
    { numRuns: 30 },
  );
});

it('falls with the power that was asked for, where nothing is clipped', () => {
  const rates = powerLawRates(1000, 0.01, 0.5);
  expect((rates[9] as number) / (rates[899] as number)).toBeCloseTo(Math.sqrt(90), 6);
});

it('makes all neurons alike without skew', () => {
  expect(new Set(powerLawRates(100, 0.1, 0))).toHaveLength(1);
});

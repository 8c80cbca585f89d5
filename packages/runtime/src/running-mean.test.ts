import { expect, it } from 'vitest';
import { RunningMean } from './running-mean.js';

it('gives mean and standard error of numbers it did not keep', () => {
  const mean = new RunningMean();
  for (const value of [2, 4, 4, 4, 5, 5, 7, 9]) mean.add(value + 1e9);
  expect(mean.mean).toBe(1e9 + 5);
  // Variance 32/7 of eight numbers.
  expect(mean.standardError).toBeCloseTo(Math.sqrt(32 / 7 / 8), 6);
});

it('does not make figures up', () => {
  const mean = new RunningMean();
  expect(mean.mean).toBeNaN();
  mean.add(3);
  expect(mean.mean).toBe(3);
  expect(mean.standardError).toBeNull();
});

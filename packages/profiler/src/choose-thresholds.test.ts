import { MAGNITUDE_BINS, magnitudeBinStart } from '@thermocline/contracts';
import { expect, it } from 'vitest';
import { chooseThreshold } from './choose-thresholds.js';

function histogram(counts: Record<number, number>): BigInt64Array {
  const bins = new BigInt64Array(MAGNITUDE_BINS);
  for (const [bin, count] of Object.entries(counts)) bins[Number(bin)] = BigInt(count);
  return bins;
}

it('finds the magnitude below which a share lies, within a bin', () => {
  const bins = histogram({ 100: 40, 120: 40, 140: 20 });
  expect(chooseThreshold(bins, 0.4)).toBe(Math.fround(magnitudeBinStart(101)));
  expect(chooseThreshold(bins, 0.6)).toBe(Math.fround(magnitudeBinStart(120.5)));
});

it('does not move for a few counts', () => {
  const a = histogram({ 100: 400_000, 120: 400_000, 140: 200_000 });
  const b = histogram({ 100: 400_003, 120: 399_996, 140: 200_001 });
  expect(chooseThreshold(a, 0.53)).toBe(chooseThreshold(b, 0.53));
});

it('is zero where zeros suffice, and stays finite', () => {
  expect(chooseThreshold(histogram({ 0: 90, 100: 10 }), 0.5)).toBe(0);
  expect(chooseThreshold(histogram({ [MAGNITUDE_BINS - 1]: 5 }), 0.9)).toBe(
    Math.fround(magnitudeBinStart(MAGNITUDE_BINS - 1)),
  );
  expect(chooseThreshold(histogram({}), 0.5)).toBe(0);
});

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { seededTokens } from './tokens.js';

it('draws ids of the vocabulary, BOS first, the same for the same seed', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 2, max: 200_000 }),
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 0, max: 1e6 }),
      (size, count, seed) => {
        const ids = seededTokens({ size, bos: 1 }, count, seed);
        expect(ids).toHaveLength(count);
        expect(ids[0]).toBe(1);
        expect(ids.every((id) => id >= 0 && id < size)).toBe(true);
        expect(seededTokens({ size, bos: 1 }, count, seed)).toEqual(ids);
      },
    ),
    { numRuns: 50 },
  );
});

it('draws evenly, and differently for another seed', () => {
  const ids = seededTokens({ size: 1300, bos: null }, 20_000, 3);
  const lower = ids.filter((id) => id < 800).length;
  expect(lower / ids.length).toBeCloseTo(0.5, 1);
  expect(new Set(ids).size).toBeGreaterThan(990);
  expect(seededTokens({ size: 1300, bos: null }, 20_000, 4)).not.toEqual(ids);
});

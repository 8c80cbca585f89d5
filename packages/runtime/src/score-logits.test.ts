import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { divergence, findPeak } from './score-logits.js';

const logit = fc.float({ min: -60, max: 60, noNaN: true });
const row = (length: number) =>
  fc
    .array(logit, { minLength: length, maxLength: length })
    .map((values) => Float32Array.from(values));

describe('findPeak', () => {
  it('normalises by hand-computed sums', () => {
    // e^0 + e^ln 2 + e^ln 5 = 8
    const logits = Float32Array.of(0, Math.log(5), Math.log(2));
    const { top, logSum } = findPeak(logits);
    expect(top).toBe(1);
    expect(logSum).toBeCloseTo(Math.log(8), 7);
  });

  it('takes the first of equals', () => {
    expect(findPeak(Float32Array.of(1, 3, 3)).top).toBe(1);
  });

  it('gives what Math.exp gives', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 300 }).chain(row), (logits) => {
        const highest = Math.max(...logits);
        const sum = logits.reduce((total, value) => total + Math.exp(value - highest), 0);
        expect(findPeak(logits).logSum).toBeCloseTo(highest + Math.log(sum), 9);
      }),
    );
  });

  it('hides nothing that is not a number', () => {
    expect(findPeak(Float32Array.of(1, Number.NaN, 2)).logSum).toBeNaN();
    expect(findPeak(Float32Array.of(1, Number.POSITIVE_INFINITY)).logSum).toBeNaN();
  });

  it('knows tokens that are excluded', () => {
    const { logSum } = findPeak(Float32Array.of(Number.NEGATIVE_INFINITY, 2));
    expect(logSum).toBeCloseTo(2, 12);
  });
});

describe('divergence', () => {
  const of = (p: Float32Array, q: Float32Array) => divergence(p, findPeak(p), q, findPeak(q));

  it('is what one computes by hand', () => {
    // p = (1/2, 1/2), q = (1/4, 3/4), whatever is added to all logits: ½ ln 2 + ½ ln ⅔.
    const p = Float32Array.of(3, 3);
    const q = Float32Array.of(0, Math.log(3));
    expect(of(p, q)).toBeCloseTo(0.5 * Math.log(2) + 0.5 * Math.log(2 / 3), 7);
    expect(of(q, p)).toBeCloseTo(0.25 * Math.log(1 / 2) + 0.75 * Math.log(3 / 2), 7);
  });

  it('is 0 for the same and never less', () => {
    fc.assert(
      fc.property(row(40), row(40), (p, q) => {
        expect(of(p, p)).toBe(0);
        expect(of(p, q)).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('is infinite where q excludes what p does not', () => {
    const p = Float32Array.of(0, 0);
    const q = Float32Array.of(0, Number.NEGATIVE_INFINITY);
    expect(of(p, q)).toBe(Number.POSITIVE_INFINITY);
    expect(of(q, p)).toBeCloseTo(Math.log(2), 7);
  });
});

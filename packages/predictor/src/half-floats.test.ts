import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { bitsOf, halfBits, roundToHalf } from './half-floats.js';
import { fromHalf } from './testing/from-half.js';

const ofFloat = (value: number) => halfBits(bitsOf(Float32Array.of(value))[0] as number);

describe('halfBits', () => {
  it('gives every half float itself', () => {
    const finite = Array.from({ length: 0x10000 }, (_, half) => half).filter(
      (half) => (half & 0x7c00) !== 0x7c00,
    );
    expect(finite.filter((half) => ofFloat(fromHalf(half)) !== half)).toEqual([]);
  });

  it('rounds what lies between two to the nearer one, ties to the even one', () => {
    const wrong: number[] = [];
    for (let half = 0; half < 0x7bff; half++) {
      const [below, above] = [fromHalf(half), fromHalf(half + 1)];
      // Exact in a float32, which has 13 bits more.
      const middle = (below + above) / 2;
      const even = half % 2 === 0 ? half : half + 1;
      const sixtyFourth = (above - below) / 64;
      const right =
        ofFloat(middle) === even &&
        ofFloat(-middle) === (0x8000 | even) &&
        ofFloat(middle - sixtyFourth) === half &&
        ofFloat(middle + sixtyFourth) === half + 1;
      if (!right) wrong.push(half);
    }
    expect(wrong).toEqual([]);
  });

  it('keeps what is too large at the largest, and what is too small at zero', () => {
    for (const value of [65504, 65519, 65520, 1e6, 3.4e38]) expect(ofFloat(value)).toBe(0x7bff);
    for (const value of [0, 1e-45, 2 ** -26, 2 ** -25]) expect(ofFloat(value)).toBe(0);
    expect(ofFloat(-0)).toBe(0x8000);
  });

  it('never has a nearer neighbour', () => {
    const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -65504, max: 65504 });
    fc.assert(
      fc.property(finite, (value) => {
        const half = ofFloat(value);
        const error = Math.abs(fromHalf(half) - value);
        for (const other of [half - 1, half + 1]) {
          if (other < 0 || (other & 0x7c00) === 0x7c00) continue;
          expect(error).toBeLessThanOrEqual(Math.abs(fromHalf(other) - value));
        }
      }),
    );
  });
});

it('roundToHalf says where a value is not finite', () => {
  const to = new Uint16Array(4);
  expect(roundToHalf(bitsOf(Float32Array.of(1, -2)), to, 1)).toBe(-1);
  expect([...to]).toEqual([0, 0x3c00, 0xc000, 0]);
  expect(roundToHalf(bitsOf(Float32Array.of(1, Number.NaN)), to, 0)).toBe(1);
  expect(roundToHalf(bitsOf(Float32Array.of(Number.NEGATIVE_INFINITY)), to, 0)).toBe(0);
});

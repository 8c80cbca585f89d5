import type { PredictorMatrix } from '@thermocline/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeMatrix } from './encode-matrix.js';
import { toFloats } from './source-matrix.js';

const row = Float32Array.from({ length: 32 }, (_, i) => (i - 20) / 4);

describe('encodeMatrix', () => {
  it('makes the bytes of GGUF for Q8_0', () => {
    const matrix = encodeMatrix(row, 1, 32, 'Q8_0');
    // 5 / 127 in half precision.
    expect([...(matrix as { scale: Uint16Array }).scale]).toEqual([0x290a]);
    expect([...matrix.values].slice(0, 4)).toEqual([-127, -121, -114, -108]);
  });

  it('makes the bytes of GGUF for Q4_0', () => {
    const matrix = encodeMatrix(row, 1, 32, 'Q4_0');
    // −5 becomes −8 steps of 5 / 8.
    expect([...(matrix as { scale: Uint16Array }).scale]).toEqual([0x3900]);
    expect(toFloats(matrix)[0]).toBe(-5);
    // Element 0 is 0 in the low bits, element 16 (−1 = −1.6 steps) is 6 in the high ones.
    expect(matrix.values[0]).toBe(0x60);
  });

  const bounds = { F32: 0, F16: 2 ** -11, BF16: 2 ** -8, I8: 1, Q8_0: 1, Q4_0: 1 };
  it.each(Object.keys(bounds) as PredictorMatrix['type'][])('is near for %s', (type) => {
    const value = fc.float({ min: -1000, max: 1000, noNaN: true });
    fc.assert(
      fc.property(fc.array(value, { minLength: 64, maxLength: 64 }), (list) => {
        const values = Float32Array.from(list);
        const largest = Math.max(...list.map(Math.abs));
        const back = toFloats(encodeMatrix(values.slice(), 2, 32, type));
        // Half a step of the coarsest grid; scales of half precision round as well.
        const step = { I8: 0.51 / 127, Q8_0: 0.6 / 127, Q4_0: 1.01 / 8 }[type as 'I8'] ?? 0;
        for (const [i, was] of values.entries()) {
          const bound = Math.abs(was) * bounds[type] + largest * step + 2 ** -20;
          expect(Math.abs((back[i] as number) - was)).toBeLessThanOrEqual(
            step > 0 ? largest * step + 2 ** -20 : bound,
          );
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps zeros', () => {
    for (const type of Object.keys(bounds) as PredictorMatrix['type'][]) {
      const back = toFloats(encodeMatrix(new Float32Array(32), 1, 32, type));
      expect(back.every((value) => value === 0)).toBe(true);
    }
  });
});

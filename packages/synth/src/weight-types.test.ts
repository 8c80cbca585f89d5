import { expect, it } from 'vitest';
import { encodeSteps, nibblesOf } from './weight-types.js';

const steps = Int8Array.from({ length: 64 }, (_, i) => (i % 15) - 7);

it('writes the same numbers in every type', () => {
  const halves = new Uint16Array(encodeSteps('F16', steps, -9).buffer);
  const q8 = encodeSteps('Q8_0', steps, -9);
  const q4 = encodeSteps('Q4_0', steps, -9);
  for (const [i, step] of steps.entries()) {
    const [block, at] = [Math.floor(i / 32), i % 32];
    expect(toNumber(halves[i] as number)).toBe(step / 512);
    const q8Scale = toNumber((q8[block * 34] as number) | ((q8[block * 34 + 1] as number) << 8));
    expect(q8Scale * (((q8[block * 34 + 2 + at] as number) << 24) >> 24)).toBe(step / 512);
    const pair = q4[block * 18 + 2 + (at % 16)] as number;
    expect((at < 16 ? pair & 15 : pair >>> 4) - 8).toBe(step);
  }
  expect(nibblesOf(steps)).toEqual(
    Uint8Array.from([...q4.subarray(2, 18), ...q4.subarray(20, 36)]),
  );
});

it.each([-15, 16])(
  'does not write a scale of 2^%d, which no normal half float holds',
  (exponent) => {
    expect(() => encodeSteps('Q4_0', steps, exponent)).toThrow(RangeError);
  },
);

function toNumber(half: number): number {
  const magnitude = (1024 + (half & 1023)) * 2 ** (((half >>> 10) & 31) - 25);
  return (half & 0x7fff) === 0 ? 0 : half & 0x8000 ? -magnitude : magnitude;
}

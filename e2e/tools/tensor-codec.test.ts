import { describe, expect, test } from 'vitest';
import { fromBfloat, fromHalf, toBfloat, toHalf } from './half.mjs';
import { decodeTensor, encodeTensor } from './tensor-codec.mjs';

describe('16-bit floats', () => {
  test('every half and bfloat survives the way there and back', () => {
    for (let bits = 0; bits < 65_536; bits++) {
      if (!Number.isNaN(fromHalf(bits))) expect(toHalf(fromHalf(bits))).toBe(bits);
      if (!Number.isNaN(fromBfloat(bits))) expect(toBfloat(fromBfloat(bits))).toBe(bits);
    }
  });

  test('ties go to even', () => {
    expect(fromHalf(toHalf(2049))).toBe(2048);
    expect(fromHalf(toHalf(2051))).toBe(2052);
    expect(fromHalf(toHalf(2 ** -25))).toBe(0);
    expect(fromHalf(toHalf(3 * 2 ** -25))).toBe(2 ** -23);
    expect(fromHalf(toHalf(65_520))).toBe(Number.POSITIVE_INFINITY);
    expect(fromHalf(toHalf(65_519))).toBe(65_504);
    expect(fromBfloat(toBfloat(1 + 2 ** -8))).toBe(1);
    expect(fromBfloat(toBfloat(1 + 3 * 2 ** -8))).toBe(1 + 2 ** -6);
  });
});

describe('blocks', () => {
  const ramp = Float64Array.from({ length: 32 }, (_, i) => (i - 16) / 16);

  test('Q8_0: scale from the largest magnitude, one signed byte each', () => {
    const data = encodeTensor('Q8_0', ramp);
    expect(data).toHaveLength(34);
    expect(new Int8Array(data.buffer)[2]).toBe(-127);
    expect(new Int8Array(data.buffer)[2 + 24]).toBe(64); // 63.5 rounds away from zero
    for (const [i, value] of decodeTensor('Q8_0', data, 32).entries()) {
      expect(Math.abs(value - (ramp[i] ?? 0))).toBeLessThan(0.51 / 127 + 1e-3);
    }
  });

  test('Q4_0: the signed largest value becomes -8; low nibbles come first', () => {
    const data = encodeTensor('Q4_0', ramp);
    expect(data).toHaveLength(18);
    expect((data[2] ?? 0) & 15).toBe(0); // -1, value 0
    expect((data[2] ?? 0) >>> 4).toBe(8); // 0, value 16
    const decoded = decodeTensor('Q4_0', data, 32);
    expect(decoded[0]).toBe(-1);
    expect(decoded[16]).toBe(0);
    for (const [i, value] of decoded.entries()) {
      expect(Math.abs(value - (ramp[i] ?? 0))).toBeLessThanOrEqual(0.125);
    }
  });

  test('zeros stay zeros', () => {
    for (const type of ['Q8_0', 'Q4_0', 'F16', 'BF16', 'F32'] as const) {
      const decoded = decodeTensor(type, encodeTensor(type, new Float64Array(32)), 32);
      expect(decoded.every((value) => value === 0)).toBe(true);
    }
  });
});

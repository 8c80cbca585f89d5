import { describe, expect, test } from 'vitest';
import { fromBfloat, fromHalf, toBfloat, toHalf } from './half.mjs';
import { decodeTensor, encodeTensor, WEIGHT_TYPES, type WeightType } from './tensor-codec.mjs';

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

  test.for([
    ['Q4_K', 0.1],
    ['Q5_K', 0.05],
    ['Q6_K', 0.03],
  ] as const)('%s: values come back within a step', ([type, step]) => {
    // Blocks of 32 of different sizes and centres, two superblocks.
    const values = Float64Array.from({ length: 512 }, (_, i) => {
      const block = i >> 5;
      return Math.sin(i * 1.7) * (0.5 + block / 16) + (block % 3) * 0.2;
    });
    const decoded = decodeTensor(type, encodeTensor(type, values), 512);
    for (const [i, value] of decoded.entries()) {
      expect(Math.abs(value - (values[i] ?? 0))).toBeLessThan(step * 1.5);
    }
  });

  test('K-quants: where the bits are', () => {
    const data = new Uint8Array(144);
    data[1] = 0x3c; // d = 1
    data[3] = 0x40; // dmin = 2
    data[4 + 2] = 0b11000001; // scale 1 of block 2, top bits of the scale of block 6
    data[4 + 10] = 0x42; // block 6: scale 2, minimum 4
    data[16 + 96 + 5] = 0x0a; // element 197 is the low half of its byte
    const values = decodeTensor('Q4_K', data, 256);
    expect(values[197]).toBe(10 * (48 + 2) - 2 * 4);
    expect(values[198]).toBe(-8);
    expect(values[64]).toBe(0);
    const six = new Uint8Array(210);
    six[209] = 0x3c;
    six[192 + 9] = 0xfe; // the scale of elements 144 to 159: -2
    six[64 + 17] = 0x07; // low bits of element 145
    six[128 + 32 + 17] = 0x03; // and its top bits
    expect(decodeTensor('Q6_K', six, 256)[145]).toBe(-2 * (48 + 7 - 32));
  });

  test('zeros stay zeros', () => {
    for (const type of Object.keys(WEIGHT_TYPES) as WeightType[]) {
      const decoded = decodeTensor(type, encodeTensor(type, new Float64Array(256)), 256);
      expect(decoded.every((value) => value === 0)).toBe(true);
    }
  });
});

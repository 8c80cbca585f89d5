/** The types a synthetic file can have. One seed holds the same numbers in all of them. */
export const SYNTHETIC_TYPES = ['F16', 'Q8_0', 'Q4_0'] as const;
export type SyntheticType = (typeof SYNTHETIC_TYPES)[number];

/** Values that share a scale in Q8_0 and Q4_0; all types are written in such blocks. */
export const BLOCK = 32;

/** Bytes of a block, GGUF's number of the type, and its `general.file_type`. */
export const TYPE_FACTS = {
  F32: { blockBytes: 128, id: 0, fileType: 0 },
  F16: { blockBytes: 64, id: 1, fileType: 1 },
  Q4_0: { blockBytes: 18, id: 2, fileType: 2 },
  Q8_0: { blockBytes: 34, id: 8, fileType: 7 },
} as const;

/** Largest value on the grid, in steps: Q4_0 holds -8 to 7, and the grid is symmetric. */
export const LARGEST_STEP = 7;

/**
 * Encodes whole blocks of numbers k · 2^exponent, exactly in every type.
 *
 * @param steps - k, from -7 to 7
 * @param exponent - from -14, so that a half float has the scale in full
 */
export function encodeSteps(type: SyntheticType, steps: Int8Array, exponent: number): Uint8Array {
  const blocks = steps.length / BLOCK;
  if (type === 'F16') return encodeHalves(steps, exponent);
  const { blockBytes } = TYPE_FACTS[type];
  const bytes = new Uint8Array(blocks * blockBytes);
  const scale = halfOfPower(exponent);
  for (let block = 0; block < blocks; block++) {
    const [from, to] = [block * BLOCK, block * blockBytes];
    bytes[to] = scale & 255;
    bytes[to + 1] = scale >>> 8;
    if (type === 'Q8_0') {
      for (let i = 0; i < BLOCK; i++) bytes[to + 2 + i] = steps[from + i] as number;
      continue;
    }
    for (let i = 0; i < BLOCK / 2; i++) bytes[to + 2 + i] = nibblePair(steps, from + i);
  }
  return bytes;
}

/** Whole blocks as Q4_0 has them, without their scales. */
export function nibblesOf(steps: Int8Array): Uint8Array {
  const half = BLOCK / 2;
  return Uint8Array.from({ length: steps.length / 2 }, (_, i) =>
    nibblePair(steps, Math.floor(i / half) * BLOCK + (i % half)),
  );
}

/** A step and the one half a block after it, offset by 8. */
function nibblePair(steps: Int8Array, at: number): number {
  return ((steps[at] as number) + 8) | (((steps[at + BLOCK / 2] as number) + 8) << 4);
}

function encodeHalves(steps: Int8Array, exponent: number): Uint8Array {
  const table = new Uint16Array(2 * LARGEST_STEP + 1);
  for (let k = 1; k <= LARGEST_STEP; k++) {
    const bits = 31 - Math.clz32(k); // k = 2^bits · 1.…
    const mantissa = (k << (10 - bits)) & 0x3ff;
    const half = halfOfPower(exponent + bits) | mantissa;
    table[LARGEST_STEP + k] = half;
    table[LARGEST_STEP - k] = 0x8000 | half;
  }
  const bytes = new Uint8Array(2 * steps.length);
  for (let i = 0; i < steps.length; i++) {
    const half = table[LARGEST_STEP + (steps[i] as number)] as number;
    bytes[2 * i] = half & 255;
    bytes[2 * i + 1] = half >>> 8;
  }
  return bytes;
}

/** The half float 2^exponent. */
export function halfOfPower(exponent: number): number {
  if (exponent < -14 || exponent > 15) throw new RangeError(`2^${exponent} is no normal half`);
  return (exponent + 15) << 10;
}

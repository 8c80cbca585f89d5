/** What is known of a model's vocabulary before it is loaded. */
export interface Vocabulary {
  size: number;
  bos: number | null;
}

// Below are control tokens and bytes in most vocabularies.
const ORDINARY = 300;

/**
 * BOS where the model has one, and then tokens drawn evenly from the vocabulary: the same for the
 * same seed, here and in every peer. What they say does not matter to the work.
 *
 * @example
 * const prompt = seededTokens({ size: 32_000, bos: 1 }, 512, 7);
 */
export function seededTokens({ size, bos }: Vocabulary, count: number, seed: number): Int32Array {
  const first = Math.min(ORDINARY, size >> 1);
  const next = seededRandom(seed);
  return Int32Array.from({ length: count }, (_, i) =>
    i === 0 && bos !== null ? bos : first + Math.floor(next() * (size - first)),
  );
}

/** Numbers in [0, 1) by Mulberry32 (Ettinger, 2017): short, and the same on every machine. */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Hashes kept per neuron: 64 bytes, whatever the corpus. */
export const SKETCH_HASHES = 16;

/** Fills the rest of a sketch that has fewer hashes. No token has it. */
export const SKETCH_EMPTY = 0xffff_ffff;

/**
 * A pseudo-random number for one token of a corpus, the same in every run and every language.
 * A sketch keeps the smallest of them, which makes it a uniform sample of the tokens on which a
 * neuron fired (bottom-k MinHash; Cohen and Kaplan, "Summarizing data using bottom-k sketches",
 * PODC 2007). All arithmetic is modulo 2³²; `mix` is the finalizer of MurmurHash3.
 *
 * @param salt - tells corpora apart whose documents have the same numbers
 * @example
 * tokenHash(0, 3, 17); // document 3, position 17
 */
export function tokenHash(salt: number, document: number, position: number): number {
  const hash = mix(mix(mix(salt) ^ document) ^ position);
  return hash === SKETCH_EMPTY ? SKETCH_EMPTY - 1 : hash;
}

function mix(value: number): number {
  let h = (value + 0x9e37_79b9) >>> 0;
  h = Math.imul(h ^ (h >>> 16), 0x85eb_ca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2_ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/**
 * Merges the sketches of all neurons of a layer into `into`: what one run over both corpora would
 * have kept, bit for bit. Both are [n_ff × SKETCH_HASHES], ascending per neuron.
 *
 * @example
 * mergeSketches(total, sums.coactivation[0]);
 */
export function mergeSketches(into: Uint32Array, from: Uint32Array): void {
  const merged = new Uint32Array(SKETCH_HASHES);
  for (let start = 0; start < into.length; start += SKETCH_HASHES) {
    const end = start + SKETCH_HASHES;
    // Most neurons that are full stay as they are.
    if ((from[start] as number) >= (into[end - 1] as number)) continue;
    let a = start;
    let b = start;
    for (let i = 0; i < SKETCH_HASHES; i++) {
      const x = a < end ? (into[a] as number) : SKETCH_EMPTY;
      const y = b < end ? (from[b] as number) : SKETCH_EMPTY;
      merged[i] = Math.min(x, y);
      if (x <= y) a++;
      if (y <= x) b++;
    }
    into.set(merged, start);
  }
}

/**
 * Estimates |A ∩ B| ÷ |A ∪ B| for the tokens on which two neurons of one layer fired, with a
 * standard error of about √(J(1 − J) ÷ 16).
 *
 * @param sketches - [n_ff × SKETCH_HASHES], as `LayerActivations.coactivation`
 * @example
 * estimateJaccard(layer.coactivation, 17, 42);
 */
export function estimateJaccard(sketches: Uint32Array, a: number, b: number): number {
  let [i, j] = [a * SKETCH_HASHES, b * SKETCH_HASHES];
  const [endI, endJ] = [i + SKETCH_HASHES, j + SKETCH_HASHES];
  let union = 0;
  let shared = 0;
  while (union < SKETCH_HASHES) {
    const x = i < endI ? (sketches[i] as number) : SKETCH_EMPTY;
    const y = j < endJ ? (sketches[j] as number) : SKETCH_EMPTY;
    if (x === SKETCH_EMPTY && y === SKETCH_EMPTY) break;
    union++;
    if (x === y) shared++;
    if (x <= y) i++;
    if (y <= x) j++;
  }
  return union === 0 ? 0 : shared / union;
}

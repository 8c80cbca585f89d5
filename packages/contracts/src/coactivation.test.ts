import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  estimateJaccard,
  mergeSketches,
  SKETCH_EMPTY,
  SKETCH_HASHES,
  tokenHash,
} from './coactivation.js';

/** The sketch of a set of hashes, the obvious way. */
function sketchOf(hashes: Iterable<number>): Uint32Array {
  const smallest = [...new Set(hashes)].sort((a, b) => a - b).slice(0, SKETCH_HASHES);
  return new Uint32Array(SKETCH_HASHES).fill(SKETCH_EMPTY).map((empty, i) => smallest[i] ?? empty);
}

describe('co-activation sketches', () => {
  it('hashes tokens as other languages must', () => {
    expect(tokenHash(0, 0, 0)).toBe(GOLDEN[0]);
    expect(tokenHash(1, 2, 3)).toBe(GOLDEN[1]);
    expect(tokenHash(0xffff_ffff, 0xffff_ffff, 0xffff_ffff)).toBe(GOLDEN[2]);
  });

  it('merges into what one run would have kept', () => {
    const hashes = fc.array(fc.integer({ min: 0, max: 60 }), { maxLength: 40 });
    fc.assert(
      fc.property(hashes, hashes, (left, right) => {
        const into = sketchOf(left);
        mergeSketches(into, sketchOf(right));
        expect(into).toEqual(sketchOf([...left, ...right]));
      }),
    );
  });

  it('estimates the overlap of two sets of tokens', () => {
    let total = 0;
    for (let trial = 0; trial < 200; trial++) {
      const hash = (token: number) => tokenHash(trial, 0, token);
      const tokens = (from: number, to: number) =>
        Array.from({ length: to - from }, (_, i) => hash(from + i));
      // 300 tokens each, 150 shared: 150 ÷ 450.
      const both = [sketchOf(tokens(0, 300)), sketchOf(tokens(150, 450))];
      total += estimateJaccard(Uint32Array.from(both.flatMap((s) => [...s])), 0, 1);
    }
    expect(total / 200).toBeCloseTo(1 / 3, 1);
  });

  it('knows neurons that never fired', () => {
    expect(estimateJaccard(new Uint32Array(2 * SKETCH_HASHES).fill(SKETCH_EMPTY), 0, 1)).toBe(0);
  });
});

// From the definition, written again in Python.
const GOLDEN = [0x54cd4aee, 0xdb7b3adb, 0x59b92ff7];

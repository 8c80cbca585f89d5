import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sortNeurons } from './sort-neurons.js';
import { OPT_175B, profileOf } from './testing/shapes.js';

describe('sortNeurons', () => {
  it('sorts as a stable sort by falling counts does, and sums the rates', () => {
    const counts = fc.array(fc.oneof(fc.integer({ min: 0, max: 9 }), fc.maxSafeInteger()), {
      minLength: 1,
      maxLength: 300,
    });
    fc.assert(
      fc.property(counts, fc.integer({ min: 1, max: 2 ** 31 }), (drawn, limit) => {
        // Half of the runs have only counts of 32 bits, which are sorted another way.
        const fires = drawn.map((count) => Math.abs(count) % limit);
        const tokens = Math.max(1, ...fires);
        const layer = { tokens, fires: BigInt64Array.from(fires, BigInt) };
        const { order, firing } = sortNeurons(layer, 0);
        const expected = [...fires.keys()].sort(
          (a, b) => (fires[b] as number) - (fires[a] as number),
        );
        expect([...order]).toEqual(expected);
        expect(firing[0]).toBe(0);
        const total = fires.reduce((sum, count) => sum + count, 0);
        expect(firing.at(-1)).toBeCloseTo(total / tokens, 6);
      }),
    );
  });

  it('sorts counts beyond 32 bits', () => {
    const fires = BigInt64Array.of(1n, 2n ** 40n, 5n, 2n ** 40n + 1n);
    expect([...sortNeurons({ tokens: 2 ** 41, fires }, 0).order]).toEqual([3, 1, 2, 0]);
  });

  it('reads counts that begin anywhere in a buffer', () => {
    const fires = BigInt64Array.of(9n, 9n, 1n, 3n).subarray(2);
    const { order, firing } = sortNeurons({ tokens: 4, fires }, 0);
    expect([...order]).toEqual([1, 0]);
    expect([...firing]).toEqual([0, 0.75, 1]);
  });

  it('refuses a layer that has seen no token', () => {
    const layer = { tokens: 0, fires: new BigInt64Array(3) };
    expect(() => sortNeurons(layer, 7)).toThrow(/layer 7 has seen no token/);
  });

  it('sorts as many neurons as OPT-175B has in a fraction of a second', () => {
    // One layer's worth of counts stands in for all: making 96 takes longer than sorting them.
    const [layer] = profileOf({ ...OPT_175B, layers: 1, n_ff: [49152] }, 1, 1 << 20).layers;
    if (layer === undefined) throw new Error('no layer');
    sortNeurons(layer, 0);
    const start = performance.now();
    for (let i = 0; i < 96; i++) sortNeurons(layer, i);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

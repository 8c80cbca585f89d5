import { SKETCH_EMPTY, SKETCH_HASHES, tokenHash } from '@thermocline/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterNeurons } from './order-neurons.js';
import { randomNumbers } from './testing/shapes.js';

/** Sketches of neurons that fire on the given tokens. */
function sketchesOf(firings: readonly (readonly number[])[]): Uint32Array {
  const sketches = new Uint32Array(firings.length * SKETCH_HASHES).fill(SKETCH_EMPTY);
  for (const [neuron, tokens] of firings.entries()) {
    const hashes = tokens.map((token) => tokenHash(0, 0, token)).sort((a, b) => a - b);
    sketches.set(hashes.slice(0, SKETCH_HASHES), neuron * SKETCH_HASHES);
  }
  return sketches;
}

/** Neurons in groups that fire on the same topic; each also on a few tokens of its own. */
function topics(groups: number, members: number, seed: number): number[][] {
  const random = randomNumbers(seed);
  return Array.from({ length: groups * members }, (_, neuron) => {
    const group = neuron % groups;
    const shared = Array.from({ length: 200 }, (_, i) => 10_000 * group + i);
    const kept = shared.filter(() => random(10) < 8);
    return [...kept, ...Array.from({ length: 10 }, () => 5_000_000 + random(1_000_000))];
  });
}

describe('clusterNeurons', () => {
  it('gives back the same ids, each once', () => {
    const neurons = fc.uniqueArray(fc.integer({ min: 0, max: 99 }), { minLength: 0 });
    const firings = fc.array(fc.uniqueArray(fc.integer({ min: 0, max: 30 })), {
      minLength: 100,
      maxLength: 100,
    });
    fc.assert(
      fc.property(neurons, firings, (ids, tokens) => {
        const order = clusterNeurons(Uint32Array.from(ids), sketchesOf(tokens));
        expect([...order].sort((a, b) => a - b)).toEqual([...ids].sort((a, b) => a - b));
      }),
    );
  });

  it('lays neurons of one topic next to each other', () => {
    const [groups, members] = [20, 30];
    const sketches = sketchesOf(topics(groups, members, 5));
    const order = clusterNeurons(
      Uint32Array.from({ length: 600 }, (_, i) => i),
      sketches,
    );
    let breaks = 0;
    for (let i = 1; i < order.length; i++) {
      if ((order[i] as number) % groups !== (order[i - 1] as number) % groups) breaks++;
    }
    // By id every neighbour is of another topic: 599 breaks. 19 would be perfect.
    expect(breaks).toBeLessThan(80);
  });

  it('keeps the order of neurons that nothing is known of', () => {
    const sketches = new Uint32Array(10 * SKETCH_HASHES).fill(SKETCH_EMPTY);
    expect([...clusterNeurons(Uint32Array.of(7, 3, 9), sketches)]).toEqual([7, 3, 9]);
  });

  it('tells more than two million places apart', () => {
    const count = 2 ** 21 + 10;
    // Of most nothing is known; the hottest fires with the coldest.
    const sketches = sketchesOf([[], [1, 2, 3, 4], [1, 2, 3, 4]]);
    const neurons = new Uint32Array(count);
    neurons[0] = 1;
    neurons[count - 1] = 2;
    const order = clusterNeurons(neurons, sketches);
    expect([...order.subarray(0, 3)]).toEqual([1, 2, 0]);
    expect(order[count - 1]).toBe(0);
  });

  it('gives the same order again', () => {
    const sketches = sketchesOf(topics(10, 20, 8));
    const ids = Uint32Array.from({ length: 200 }, (_, i) => 199 - i);
    expect(clusterNeurons(ids, sketches)).toEqual(clusterNeurons(ids, sketches));
  });
});

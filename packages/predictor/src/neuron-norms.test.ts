import { describe, expect, it } from 'vitest';
import { layerStatistics } from './layer-statistics.js';
import { neuronNorms } from './neuron-norms.js';

const fires = BigInt64Array.of(4n, 0n, 2n, 0n);

describe('neuronNorms', () => {
  it('divides what neurons contributed by what they were', () => {
    const absSum = Float64Array.of(8, 0, 2, 0);
    const contribution = Float64Array.of(16, 0, 8, 0);
    // One that was never active gets the mean of the others.
    expect(neuronNorms({ tokens: 10, fires, absSum, contribution })).toEqual(
      Float32Array.of(2, 3, 4, 3),
    );
  });

  it('knows none without the sums', () => {
    expect(neuronNorms({ tokens: 10, fires })).toBeUndefined();
    const nothing = new Float64Array(4);
    const layer = { tokens: 10, fires, absSum: nothing, contribution: nothing };
    expect(neuronNorms(layer)).toBeUndefined();
  });
});

describe('layerStatistics', () => {
  it('gives density, skew and value per token', () => {
    const contribution = Float64Array.of(30, 0, 10, 0);
    const { density, gini, valuePerToken } = layerStatistics({ tokens: 10, fires, contribution });
    expect(density).toBeCloseTo(6 / 40, 12);
    expect(valuePerToken).toBe(4);
    // Of sorted 0 0 2 4: (2 · (3 · 2 + 4 · 4)) ÷ (4 · 6) − 5 ÷ 4.
    expect(gini).toBeCloseTo(7 / 12, 12);
    const one = BigInt64Array.of(0n, 0n, 0n, 6n);
    expect(layerStatistics({ tokens: 10, fires: one }).gini).toBeCloseTo(3 / 4, 12);
    expect(layerStatistics({ tokens: 0, fires: new BigInt64Array(2) })).toMatchObject({
      density: 0,
      gini: 0,
    });
  });
});

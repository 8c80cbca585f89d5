import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { firingUpTo, fitRateCurve, rankOfRate, shareForCoverage } from './rate-curve.js';
import { LLAMA_70B, OPT_175B, shape } from './testing/shapes.js';
import { typicalFamily } from './typical-families.js';
import { typicalFiring } from './typical-profile.js';

/** Share of all neurons whose rates make 80 % of the firings, counted out. */
function countedShare(layers: readonly Float64Array[]): number {
  const rates: number[] = [];
  for (const firing of layers) {
    for (let k = 1; k < firing.length; k++) {
      rates.push((firing[k] as number) - (firing[k - 1] as number));
    }
  }
  rates.sort((a, b) => b - a);
  const total = rates.reduce((sum, rate) => sum + rate, 0);
  let [sum, count] = [0, 0];
  while (sum < 0.8 * total) sum += rates[count++] as number;
  return count / rates.length;
}

describe('rate curves', () => {
  it('have the mean and the skew asked for', () => {
    const cases = fc.tuple(
      fc.double({ min: 0.005, max: 0.5, noNaN: true }),
      fc.double({ min: 0.15, max: 0.75, noNaN: true }),
    );
    fc.assert(
      fc.property(cases, ([mean, share]) => {
        fc.pre(share > 1.2 * mean);
        const curve = fitRateCurve(mean, share);
        expect(firingUpTo(curve, 1)).toBeCloseTo(mean, 6);
        expect(firingUpTo(curve, share) / mean).toBeCloseTo(0.8, 4);
        expect(shareForCoverage([curve])).toBeCloseTo(share, 3);
        expect(rankOfRate(curve, 1.5)).toBe(0);
      }),
      { numRuns: 50 },
    );
  });
});

describe('typical firing', () => {
  it.each([
    ['OPT-175B', OPT_175B, 0.17],
    ['ReGLU-70B', LLAMA_70B, 0.26],
  ])('of %s has the published sparsity and skew', (_, model, wholeModel) => {
    const layers = typicalFiring(model);
    const neurons = model.n_ff.reduce((sum, count) => sum + count, 0);
    const firing = layers.reduce((sum, layer) => sum + (layer.at(-1) as number), 0);
    expect(firing / neurons / typicalFamily(model).firing).toBeCloseTo(1, 3);
    // A tenth of the neurons of every eighth layer is enough to count out.
    const few = { ...model, n_ff: model.n_ff.map((count) => Math.round(count / 10)) };
    const sample = typicalFiring(few).filter((_, layer) => layer % 8 === 4);
    expect(countedShare(sample)).toBeCloseTo(wholeModel, 1);
    expect(countedShare(sample.slice(4, 5))).toBeCloseTo(typicalFamily(model).layerShare, 2);
  });

  it('never rises along a layer, nor above once per token', () => {
    for (const activation of ['relu', 'drelu', 'relu2', 'silu']) {
      for (const firing of typicalFiring(shape({ activation, experts: 4 }))) {
        let before = 1;
        for (let k = 1; k < firing.length; k++) {
          const rate = (firing[k] as number) - (firing[k - 1] as number);
          if (rate > before + 1e-9 || rate <= 0) expect([k, rate]).toEqual([k, before]);
          before = rate;
        }
      }
    }
  });

  it('takes no time worth mentioning', () => {
    const start = performance.now();
    typicalFiring(OPT_175B);
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

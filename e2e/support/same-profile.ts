import type { ActivationProfile } from '@thermocline/contracts';
import { expect } from 'vitest';

/** Requires counts, histograms and sketches of the same bits, and sums within 1e-9. */
export function expectSameProfile(actual: ActivationProfile, expected: ActivationProfile): void {
  const exact = ({ layers, ...origin }: ActivationProfile) => ({
    ...origin,
    layers: layers.map(({ absSum: _a, contribution: _c, ...rest }) => rest),
  });
  expect(exact(actual)).toEqual(exact(expected));
  for (const [index, layer] of expected.layers.entries()) {
    for (const key of ['absSum', 'contribution'] as const) {
      const sums = actual.layers[index]?.[key];
      expect(sums?.length).toBe(layer[key]?.length);
      for (const [neuron, sum] of layer[key]?.entries() ?? []) {
        const gap = Math.abs((sums?.[neuron] ?? Number.NaN) - sum);
        if (!(gap <= 1e-9 * sum)) expect(sums?.[neuron], `${key} of neuron ${neuron}`).toBe(sum);
      }
    }
  }
}

import type { ActivationProfile } from '@thermocline/contracts';
import { expect } from 'vitest';

/** Requires counts, histograms and sketches of the same bits, and sums within 1e-9. */
export function expectSameCounts(actual: ActivationProfile, expected: ActivationProfile): void {
  const exact = ({ layers, domains }: ActivationProfile) => ({
    layers: layers.map(({ absSum: _a, contribution: _c, ...rest }) => rest),
    domains,
  });
  expect(exact(actual)).toEqual(exact(expected));
  for (const [index, layer] of expected.layers.entries()) {
    for (const key of ['absSum', 'contribution'] as const) {
      const sums = actual.layers[index]?.[key];
      expect(sums?.length).toBe(layer[key]?.length);
      for (const [neuron, sum] of layer[key]?.entries() ?? []) {
        expect(Math.abs((sums?.[neuron] as number) - sum)).toBeLessThanOrEqual(1e-9 * sum);
      }
    }
  }
}

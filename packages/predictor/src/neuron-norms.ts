import type { LayerActivations } from '@thermocline/contracts';

/**
 * ‖down column‖ of every neuron, from the sums that a profile holds. A neuron that was never
 * active gets the mean of the others: its value has to be guessed, not its firing.
 *
 * @returns [n_ff], or `undefined` where the profile lacks the sums
 */
export function neuronNorms(layer: LayerActivations): Float32Array | undefined {
  const { contribution, absSum } = layer;
  if (contribution === undefined || absSum === undefined) return undefined;
  const norms = Float32Array.from(contribution, (value, n) => {
    const sum = absSum[n] as number;
    return sum > 0 ? value / sum : Number.NaN;
  });
  const known = norms.filter((norm) => norm > 0 && Number.isFinite(norm));
  if (known.length === 0) return undefined;
  const mean = known.reduce((sum, norm) => sum + norm, 0) / known.length;
  return norms.map((norm) => (norm > 0 && Number.isFinite(norm) ? norm : mean));
}

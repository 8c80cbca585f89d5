import type { LayerProblem } from './problem.js';

/**
 * C_l of PowerInfer's Equation 4: how many of a layer's neurons must be on the GPU for the time they
 * save to make up for one synchronisation, T_sync ÷ (T_cpu − T_gpu); infinite where none save any.
 *
 * @param worth - `always-active`: every neuron counts as firing for every token, as in the paper;
 * `expected`: the hottest neurons, as often as they fire
 */
export function leastNeurons(
  { rates, syncSeconds, firing }: LayerProblem,
  worth: 'always-active' | 'expected',
): number {
  const { gpu } = rates;
  const other = rates.cpu ?? rates.flash;
  if (gpu === null) return Number.POSITIVE_INFINITY;
  if (other === null) return 0;
  const perNeuron = other.perNeuron - gpu.perNeuron;
  const perFiring = other.perFiring - gpu.perFiring;
  if (worth === 'always-active') {
    const saved = perNeuron + perFiring;
    return saved > 0 ? syncSeconds / saved : Number.POSITIVE_INFINITY;
  }
  const enough = firing.findIndex(
    (firings, count) => count > 0 && count * perNeuron + firings * perFiring >= syncSeconds,
  );
  return enough < 0 ? Number.POSITIVE_INFINITY : enough;
}

import { TIERS, type Tier } from '@thermocline/contracts';
import type { PlacementProblem } from './problem.js';

/** The tiers whose budgets could not hold all that may go there; only these limit a choice. */
export function scarceTiers({ layers, head, budgetBytes }: PlacementProblem): Tier[] {
  let dense = head.bytes;
  const neurons = { gpu: 0, cpu: 0, flash: 0 };
  for (const { firing, neuronBytes, dense: part, rates } of layers) {
    dense += part.bytes;
    for (const tier of TIERS)
      if (rates[tier] !== null) neurons[tier] += (firing.length - 1) * neuronBytes;
  }
  return TIERS.filter((tier) => {
    const most = neurons[tier] + (tier === 'flash' ? 0 : dense);
    return most > budgetBytes[tier];
  });
}

import { TIERS, type Tier } from '@thermocline/contracts';
import { denseSeconds, layerSeconds } from './evaluate-choice.js';
import { type ChoiceItem, chooseOptions, type MultipleChoiceLimits } from './multiple-choice.js';
import type { DenseTier, LayerProblem, PlacementChoice, PlacementProblem } from './problem.js';
import { scarceTiers } from './scarce-tiers.js';

/** A choice that is the best of all, or as good as was found. */
export interface OptionsAnswer {
  choice: PlacementChoice;
  exact: boolean;
}

interface LayerOptions extends ChoiceItem {
  dense: DenseTier[];
  gpu: number[];
  cpu: number[];
}

/** More options than this are not listed. */
const MAX_OPTIONS = 60_000;

/**
 * Solves a problem whose choices can be listed: for every layer each tier of the dense part, each
 * number of neurons on the GPU and each in memory.
 *
 * @returns `infeasible` when none keeps the budgets; `null` when there are too many to list, or none
 * was found within the limits
 */
export function solveByOptions(
  problem: PlacementProblem,
  limits: MultipleChoiceLimits,
): OptionsAnswer | 'infeasible' | null {
  if (countOptions(problem) > MAX_OPTIONS) return null;
  const scarce = scarceTiers(problem);
  const layers = problem.layers.map((layer) => layerOptions(layer, scarce));
  const heads = (['gpu', 'cpu'] as const).filter((tier) => problem.head.seconds[tier] !== null);
  const head = {
    costs: Float64Array.from(heads, (tier) => denseSeconds(problem.head, tier)),
    bytes: scarce.map((tier) =>
      Float64Array.from(heads, (place) => (place === tier ? problem.head.bytes : 0)),
    ),
  };
  const budgets = scarce.map((tier) => problem.budgetBytes[tier]);
  const answer = chooseOptions([...layers, head], budgets, limits);
  if (answer === 'infeasible') return answer;
  if (answer === 'spent') return null;
  const { picks, exact } = answer;
  const pick = <K extends 'dense' | 'gpu' | 'cpu'>(key: K) =>
    layers.map((options, index) => options[key][picks[index] as number]) as LayerOptions[K];
  const choice = {
    dense: pick('dense'),
    head: heads[picks.at(-1) as number] as DenseTier,
    gpu: pick('gpu'),
    cpu: pick('cpu'),
  };
  return { choice, exact };
}

function countOptions({ layers }: PlacementProblem): number {
  let count = 0;
  for (const { firing, rates } of layers) {
    const neurons = firing.length;
    const free = TIERS.filter((tier) => rates[tier] !== null).length;
    count += free === 3 ? neurons * neurons : free === 2 ? 2 * neurons : 2;
  }
  return count;
}

function layerOptions(layer: LayerProblem, scarce: readonly Tier[]): LayerOptions {
  const { firing, neuronBytes, dense: part, rates } = layer;
  const neurons = firing.length - 1;
  const [costs, dense, gpu, cpu] = [[], [], [], []] as [number[], DenseTier[], number[], number[]];
  const used: number[][] = scarce.map(() => []);
  for (const tier of ['gpu', 'cpu'] as const) {
    if (part.seconds[tier] === null) continue;
    for (let g = 0; g <= (rates.gpu === null ? 0 : neurons); g++) {
      let least = Number.POSITIVE_INFINITY;
      // Without flash there is one way to place the rest.
      const fewest = rates.flash === null ? neurons - g : 0;
      for (let c = fewest; c <= (rates.cpu === null ? 0 : neurons - g); c++) {
        const { total } = layerSeconds(layer, tier, g, c);
        // More in memory has to be worth its bytes, unless it spares flash that may run out.
        if (total === Number.POSITIVE_INFINITY) continue;
        if (total >= least && !scarce.includes('flash')) continue;
        least = Math.min(least, total);
        const bytes = { gpu: g, cpu: c, flash: neurons - g - c };
        costs.push(total);
        dense.push(tier);
        gpu.push(g);
        cpu.push(c);
        for (const [r, place] of scarce.entries())
          used[r]?.push(bytes[place] * neuronBytes + (place === tier ? part.bytes : 0));
      }
    }
  }
  const bytes = used.map((values) => Float64Array.from(values));
  return { costs: Float64Array.from(costs), bytes, dense, gpu, cpu };
}

import { ffnLayers, ModelPlan } from './model-plan.js';
import { type PlantOptions, resolveRecipe } from './recipe.js';

/**
 * How often each neuron of a synthetic model fires: the probability for a token drawn at random.
 * It follows from the numbers in the file, after they were rounded. Of a mixture it is the rate
 * among the tokens that the neuron's expert is given; layers without neurons are empty.
 *
 * @returns [layers][neurons], by the ids of the file
 * @throws PipelineError `INVALID_ARGUMENT`
 *
 * @example
 * const [first] = plantedRates('bamboo-7b', { seed: 1 });
 */
export function plantedRates(shape: string, options: PlantOptions = {}): Float64Array[] {
  const recipe = resolveRecipe(shape, options);
  const plan = new ModelPlan(recipe);
  const rates = Array.from({ length: recipe.layers }, () => new Float64Array(0));
  const { nFf, experts } = recipe.shape;
  for (const layer of ffnLayers(recipe)) {
    const all = new Float64Array((experts?.count ?? 1) * nFf);
    for (let expert = 0; expert < (experts?.count ?? 1); expert++) {
      all.set(plan.firing(layer, experts && expert).rates, expert * nFf);
    }
    rates[layer] = all;
  }
  return rates;
}

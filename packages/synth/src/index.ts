export {
  type CheckRatesOptions,
  checkRates,
  type RateCheck,
  type RatePair,
} from './check-rates.js';
export { SYNTHETIC_LAYOUTS, type SyntheticLayout } from './model-tensors.js';
export {
  type PlantedPredictorOptions,
  type PredictedModel,
  plantedPredictors,
  requirePredictable,
} from './planted-predictors.js';
export { plantedRates } from './planted-rates.js';
export { isSynthetic, type MetadataText, readRecipe } from './read-recipe.js';
export {
  NEURON_ORDERS,
  type NeuronOrder,
  type PlantOptions,
  RECIPE_VERSION,
  type Recipe,
  resolveRecipe,
} from './recipe.js';
export {
  plantsSparsity,
  SHAPES,
  type ShapeName,
  type SyntheticActivation,
  type SyntheticShape,
} from './shapes.js';
export { SYNTHETIC_TYPES, type SyntheticType } from './weight-types.js';
export {
  type PlannedModel,
  planSyntheticModel,
  type SyntheticModelOptions,
  type WrittenModel,
  writeSyntheticModel,
} from './write-synthetic-model.js';

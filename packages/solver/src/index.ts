export {
  type MemoryModel,
  type MemoryOptions,
  modelMemory,
  type NeuronBytes,
  neuronMatrixBytes,
} from './memory-model.js';
export type { SolveOptions } from './options.js';
export type {
  DensePart,
  DenseTier,
  LayerProblem,
  PlacementChoice,
  PlacementProblem,
  ProblemSolution,
  TierRate,
} from './problem.js';
export { findHardware, shippedHardware } from './shipped-hardware.js';

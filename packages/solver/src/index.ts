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

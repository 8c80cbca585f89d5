export {
  estimatePlacement,
  type ModeEstimate,
  type PlacementEstimate,
  type Verdict,
} from './estimate-placement.js';
export { type ChoiceCost, checkChoice, evaluateChoice } from './evaluate-choice.js';
export {
  explainPlan,
  type LayerExplanation,
  type OneMoreGiB,
  type PlanExplanation,
  type TierExplanation,
} from './explain-plan.js';
export { type HighsOptions, solveWithHighs } from './highs.js';
export { leastNeurons } from './least-neurons.js';
export {
  type MemoryModel,
  type MemoryOptions,
  modelMemory,
  type NeuronBytes,
  neuronMatrixBytes,
} from './memory-model.js';
export type { SolveOptions } from './options.js';
export { clusterNeurons } from './order-neurons.js';
export type { LayerTime, TierUse } from './placement-figures.js';
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
export { type ImpactOptions, solveImpact } from './solve-impact.js';
export { type SolveLimits, solveLatency } from './solve-latency.js';
export { solvePlacement } from './solve-placement.js';
export { type TypicalFamily, typicalFamily } from './typical-families.js';
export { typicalFiring } from './typical-profile.js';

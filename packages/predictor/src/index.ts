export { HELD_OUT_EVERY, isHeldOut } from './held-out.js';
export type { FfnNorm } from './import/absorb-norm.js';
export { type ImportPredictorsOptions, importPredictors } from './import/import-predictors.js';
export { moveSparsity, moveThresholds } from './move-thresholds.js';
export type {
  PredictorBudget,
  TrainedLayer,
  TrainingFolder,
  TrainOptions,
  TrainPhase,
  TrainProgress,
  WidthChoice,
} from './train-options.js';
export { trainPredictors } from './train-predictors.js';
export { removeTrainingFolder } from './work-folder.js';

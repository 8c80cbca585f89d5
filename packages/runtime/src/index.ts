export {
  driveName,
  hostInfo,
  inspectModel,
  type KernelBenchInfo,
  type KernelBenchOptions,
  type KernelBenchType,
  listGpus,
  listKernelBenches,
  machineName,
  openKernelBench,
  openTokenizer,
  probeHardware,
} from '@thermocline/engine-native';
export {
  type PredictorBudget,
  removeTrainingFolder,
  type TrainedLayer,
  type TrainProgress,
} from '@thermocline/predictor';
export {
  type Corpus,
  type CorpusInput,
  DOCUMENT_SEPARATOR,
  type FiringCurve,
  type FiringSummary,
  type HotSetOverlap,
  type ImportOptions,
  importActivations,
  type LayerSummary,
  MAGNITUDE_ERROR,
  type MergeOptions,
  mergeProfiles,
  type OpenCorpusOptions,
  openCorpus,
  type PairOverlap,
  type ProfileOptions,
  type ProfileSummary,
  parseCorpusInput,
  parseShard,
  readCorpus,
  readTokenIds,
  removeCheckpoint,
  type ShardOfRun,
  splitDocuments,
  summarizeProfile,
} from '@thermocline/profiler';
export {
  estimatePlacement,
  explainPlan,
  findHardware,
  type ModeEstimate,
  type PlacementEstimate,
  type PlanExplanation,
  type SolveOptions,
  shippedHardware,
  solvePlacement,
} from '@thermocline/solver';
export { activationSource } from './activation-source.js';
export { type ChatMessage, renderChat } from './chat-template.js';
export type {
  ChoiceComparison,
  ChoiceOutcome,
  ChoiceScore,
  Estimate,
} from './choices/choice-figures.js';
export type { ChoiceTask } from './choices/choice-task.js';
export {
  type ChoiceEvaluation,
  type ChoiceResult,
  type EvaluateChoicesOptions,
  evaluateChoices,
} from './choices/evaluate-choices.js';
export { readChoiceTasks } from './choices/read-choice-tasks.js';
export {
  type ChooseModeOptions,
  chooseMode,
  type ModeCandidate,
  type ModeChoice,
} from './choose-mode.js';
export type { Conversation, ConversationOptions } from './conversation.js';
export { type EvaluateModesOptions, evaluateModes, type ModeComparison } from './evaluate-modes.js';
export {
  evaluatePerplexity,
  type Perplexity,
  type PerplexityOptions,
} from './evaluate-perplexity.js';
export type { ModelGeneration, ModelResult } from './generation.js';
export { heldOutTokens } from './held-out-tokens.js';
export { type ImportForModelOptions, importPredictors } from './import-predictors.js';
export { isLossy } from './is-lossy.js';
export { type LoadOptions, loadModel } from './load-model.js';
export { type DecodeOptions, type DecodeSpeed, measureDecode } from './measure-decode.js';
export { type MeasureLossOptions, measureLoss } from './measure-loss.js';
export { resolveMode } from './mode.js';
export type { ModeEvaluation, ModeScore, NeuronFigures } from './mode-figures.js';
export { Model } from './model.js';
export { type PredictionQuality, predictionQuality } from './prediction-audit.js';
export type { PredictorShares } from './predictor-shares.js';
export type { Prompt } from './prompt.js';
export type { ScoredTextOptions } from './scored-text.js';
export { formatBytes, parseSize } from './size.js';
export { activeRatio, activeRatioPerLayer } from './step-stats.js';
export { type GenerationSummary, summarizeGeneration } from './summarize-generation.js';
export { type TopLogits, type TopLogitsOptions, topLogits } from './top-logits.js';
export type { TrainPredictorsOptions } from './train-predictors.js';
export {
  type LoadedPredictors,
  type NamedLoss,
  namedLoss,
  type OperatingPoint,
} from './use-predictors.js';

export {
  driveName,
  hostInfo,
  inspectModel,
  listGpus,
  openTokenizer,
  probeHardware,
} from '@thermocline/engine-native';
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
export { type ChatMessage, renderChat } from './chat-template.js';
export type { Conversation, ConversationOptions } from './conversation.js';
export {
  evaluatePerplexity,
  type Perplexity,
  type PerplexityOptions,
} from './evaluate-perplexity.js';
export type { ModelGeneration, ModelResult } from './generation.js';
export { type LoadOptions, loadModel } from './load-model.js';
export { resolveMode } from './mode.js';
export { Model } from './model.js';
export type { Prompt } from './prompt.js';
export { formatBytes, parseSize } from './size.js';
export { activeRatio, activeRatioPerLayer } from './step-stats.js';
export { type GenerationSummary, summarizeGeneration } from './summarize-generation.js';
export { type TopLogits, type TopLogitsOptions, topLogits } from './top-logits.js';

export { removeCheckpoint } from './checkpoint.js';
export {
  type CorpusFormat,
  type CorpusInput,
  parseCorpusInput,
} from './corpora/corpus-input.js';
export type { Corpus, CorpusDocument, CorpusFile } from './corpus.js';
export { type Content, type CorpusOfOptions, corpusOf } from './corpus-of.js';
export { type CutOptions, cutWindows } from './cut-windows.js';
export type { CorpusWindow, Tokenizes } from './domain-windows.js';
export { type ImportOptions, importActivations } from './import/import-activations.js';
export { type MergeOptions, mergeProfiles, UNNAMED_DOMAIN } from './merge-profiles.js';
export {
  type OpenCorpusOptions,
  openCorpus,
} from './open-corpus.js';
export {
  type Environment,
  parseShard,
  type ShardOfRun,
  shardFromEnvironment,
} from './parse-shard.js';
export { profileModel } from './profile-model.js';
export type { CheckpointOptions, Phase, ProfileOptions } from './profile-options.js';
export { readCorpus } from './read-corpus.js';
export { readTokenIds } from './read-token-ids.js';
export { DOCUMENT_SEPARATOR, splitDocuments } from './split-documents.js';
export type {
  DomainSummary,
  DomainsSummary,
  HotSetOverlap,
  PairOverlap,
} from './summarize-domains.js';
export type { FiringCurve, FiringSummary } from './summarize-firings.js';
export {
  MAGNITUDE_ERROR,
  type MagnitudeQuantile,
  type MagnitudeSummary,
} from './summarize-magnitudes.js';
export { type LayerSummary, type ProfileSummary, summarizeProfile } from './summarize-profile.js';

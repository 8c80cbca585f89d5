export type { Corpus, CorpusDocument, CorpusFile } from './corpus.js';
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

import type { Tier } from './hardware-info.js';

/**
 * Everything that can go wrong between packages, as one closed list. Each code has
 * its own details, so that a caller can act on them without reading the message.
 */
export type ErrorDetails = {
  /** The path does not exist or cannot be opened. */
  FILE_NOT_FOUND: { path: string };
  /** The system refused to read or write. */
  IO_ERROR: { path: string; reason: string };
  /** A model file contradicts itself or ends too early. */
  MODEL_CORRUPT: { path: string; reason: string };
  /** A well-formed model of an architecture, or with an option, that is not supported. */
  MODEL_UNSUPPORTED: { path: string; reason: string };
  /** A tensor type that is not read; the reason names type and tensor. */
  WEIGHT_TYPE_UNSUPPORTED: { path: string; reason: string };
  /** A vocabulary or pre-tokenizer that is not known; the reason names it. */
  TOKENIZER_UNSUPPORTED: { path: string; reason: string };
  /** An artifact contradicts itself or ends too early. */
  ARTIFACT_CORRUPT: { path: string; reason: string };
  /** Another kind of artifact than asked for. */
  ARTIFACT_FORMAT: { path: string; expected: string; found: string };
  /** A format version that this release does not read. */
  ARTIFACT_VERSION: { path: string; expected: string; found: string };
  /** The artifact was made for another model. */
  ARTIFACT_MODEL_MISMATCH: { path: string; expected: string; found: string };
  /** The plan was made for another budget than it is to be used with. */
  PLAN_BUDGET_MISMATCH: { path: string; tier: Tier; plannedBytes: number; foundBytes: number };
  /** The plan puts neurons on a tier that the engine does not have. */
  PLAN_TIER_MISSING: { path: string; tier: Tier; layer: number };
  /** What cannot be left out does not fit a tier. */
  PLACEMENT_INFEASIBLE: {
    tier: Tier;
    requiredBytes: number;
    availableBytes: number;
    reason: string;
  };
  /** A text or token file that cannot be read as such; `place` is a line or an element. */
  CORPUS_INVALID: { path: string; place?: string; reason: string };
  /** Progress that was saved by a run with other settings. */
  CHECKPOINT_MISMATCH: { path: string; reason: string };
  /** A value of the caller's is out of range. */
  INVALID_ARGUMENT: { argument: string; reason: string };
  /** More tokens than the session's context holds. */
  CONTEXT_OVERFLOW: { reason: string };
  /** A tier's budget or the system has no room. */
  OUT_OF_MEMORY: { tier?: Tier; requestedBytes?: number; availableBytes?: number; reason: string };
  /** The requested mode does not fit the model. */
  MODE_UNSUPPORTED: { reason: string };
  /** The engine or session was closed. */
  CLOSED: { what: string };
  /** The caller's AbortSignal fired. */
  ABORTED: { reason: string };
  /** No native binary for this platform, or it does not load. */
  NATIVE_BINARY_MISSING: { platform: string; tried: string[]; reason: string };
  /** A broken invariant: a bug of ours. */
  INTERNAL: { reason: string };
};

/** One of the closed list of error codes. */
export type ErrorCode = keyof ErrorDetails;

/**
 * The one error type that crosses package borders.
 *
 * @example
 * try {
 *   await openEngine('model.gguf');
 * } catch (error) {
 *   if (isPipelineError(error, 'WEIGHT_TYPE_UNSUPPORTED')) console.error(error.details.reason);
 * }
 */
export class PipelineError<C extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'PipelineError';
  readonly code: C;
  readonly details: ErrorDetails[C];

  constructor(code: C, message: string, details: ErrorDetails[C], options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

// The brand lets an error of a second copy of this package (ESM beside CommonJS) be recognised.
const brand = Symbol.for('thermocline.PipelineError');
Object.defineProperty(PipelineError.prototype, brand, { value: true });

/** Whether `error` is a `PipelineError`, of the given code if one is named. */
export function isPipelineError<C extends ErrorCode = ErrorCode>(
  error: unknown,
  code?: C,
): error is PipelineError<C> {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false;
  return code === undefined || (error as { code?: unknown }).code === code;
}

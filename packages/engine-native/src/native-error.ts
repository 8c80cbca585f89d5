import {
  type ErrorCode,
  type ErrorDetails,
  isPipelineError,
  PipelineError,
  TIERS,
} from '@thermocline/contracts';

/** What the caller knows of a failed call and the core does not. */
export interface ErrorContext {
  /** The argument that is wrong when the core says that one is. */
  argument?: string;
  /** What was closed, or what the call is about. */
  what?: string;
  path?: string;
  signal?: AbortSignal | undefined;
}

/** Turns what the addon threw into a `PipelineError` with the details of its code. */
export function toPipelineError(error: unknown, context: ErrorContext = {}): PipelineError {
  if (isPipelineError(error)) return error;
  const thrown = error as NodeJS.ErrnoException;
  const { path = context.path, message: reason } = thrown;
  // An abort that nobody asked for: the session was closed under the call.
  const code = thrown.code === 'ABORTED' && !context.signal?.aborted ? 'CLOSED' : thrown.code;
  const where = path !== undefined && path !== '' && !reason.includes(path) ? `${path}: ` : '';
  const make = makers[code as CoreCode] ?? makers.INTERNAL;
  const isOurs = code !== undefined && code in makers;
  const details = make(reason, { ...context, path: path ?? '' });
  return new PipelineError(isOurs ? (code as CoreCode) : 'INTERNAL', `${where}${reason}`, details, {
    cause: context.signal?.aborted ? context.signal.reason : error,
  });
}

type Known = ErrorContext & { path: string };
const pathAndReason = (reason: string, { path }: Known) => ({ path, reason });
const onlyReason = (reason: string) => ({ reason });
const mismatch = (reason: string, { path }: Known) => ({ path, expected: '', found: reason });

/** What the core never says: errors of whole stages, made in TypeScript. */
type StageCode =
  | 'PLAN_BUDGET_MISMATCH'
  | 'PLAN_TIER_MISSING'
  | 'PLACEMENT_INFEASIBLE'
  | 'CORPUS_INVALID'
  | 'CHECKPOINT_MISMATCH';
type CoreCode = Exclude<ErrorCode, StageCode>;

const makers: { [C in CoreCode]: (reason: string, known: Known) => ErrorDetails[C] } = {
  FILE_NOT_FOUND: (_, { path }) => ({ path }),
  IO_ERROR: pathAndReason,
  MODEL_CORRUPT: pathAndReason,
  MODEL_UNSUPPORTED: pathAndReason,
  WEIGHT_TYPE_UNSUPPORTED: pathAndReason,
  TOKENIZER_UNSUPPORTED: pathAndReason,
  ARTIFACT_CORRUPT: pathAndReason,
  ARTIFACT_FORMAT: mismatch,
  ARTIFACT_VERSION: mismatch,
  ARTIFACT_MODEL_MISMATCH: mismatch,
  INVALID_ARGUMENT: (reason, { argument = 'options' }) => ({ argument, reason }),
  CONTEXT_OVERFLOW: onlyReason,
  OUT_OF_MEMORY: outOfMemory,
  MODE_UNSUPPORTED: onlyReason,
  CLOSED: (_, { what = 'engine' }) => ({ what }),
  ABORTED: onlyReason,
  NATIVE_BINARY_MISSING: (reason) => ({ platform: process.platform, tried: [], reason }),
  INTERNAL: onlyReason,
};

/** The core says the numbers in its sentence: `needs N bytes … has N left` or `… N available`. */
function outOfMemory(reason: string): ErrorDetails['OUT_OF_MEMORY'] {
  const requested = /(?:needs|refused) (\d+) bytes/.exec(reason)?.[1];
  const available = /has (\d+) (?:left|bytes available)/.exec(reason)?.[1];
  const tier = TIERS.find((name) => reason.includes(`${name} tier`));
  return {
    reason,
    ...(tier && { tier }),
    ...(requested && { requestedBytes: Number(requested) }),
    ...(available && { availableBytes: Number(available) }),
  };
}

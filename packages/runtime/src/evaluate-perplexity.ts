import {
  isPipelineError,
  type Mode,
  PipelineError,
  type Session,
  type StepStats,
} from '@thermocline/contracts';
import { splitDocuments } from '@thermocline/profiler';
import { resolveMode } from './mode.js';
import type { Model } from './model.js';
import { concatTokens } from './prompt.js';
import { addStats, noStats } from './step-stats.js';

const DEFAULT_CONTEXT = 512;
// Logits of a chunk are held at once; this bounds them for large vocabularies.
const MAX_LOGIT_BYTES = 32 << 20;
const MAX_CHUNK = 128;

export interface PerplexityOptions {
  /** At most this many tokens are scored; default: all. */
  tokens?: number;
  /** Tokens per window; default: 512, or the model's context where that is shorter. */
  context?: number;
  mode?: Mode;
  /** Called with tokens scored so far and in all. */
  onProgress?: (done: number, total: number) => void;
  /** Ends the evaluation; what was scored until then is the result, if there is anything. */
  signal?: AbortSignal;
}

/** How well a model foresees a text. */
export interface Perplexity {
  /** e^nll */
  perplexity: number;
  /** Mean over the scored tokens, nats. */
  nll: number;
  /** Tokens scored. */
  tokens: number;
  mode: Mode;
  context: number;
  /** Whether the signal ended it early. */
  aborted: boolean;
  /** Sums over all windows. */
  stats: StepStats;
}

/**
 * Measures perplexity on a text or on token ids. The ids are read in windows of `context` that
 * do not overlap, each from an empty context; every id but the very first is scored, the first of
 * a window by the last of the window before. A text is cut into documents (see `splitDocuments`);
 * each begins with BOS where the model file asks for it, then they are joined. Ids are taken as
 * they are.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when fewer than two ids are left, `CONTEXT_OVERFLOW`
 * when `context` is more than the model's, `MODE_UNSUPPORTED`, `ABORTED`
 *
 * @example
 * const { perplexity } = await evaluatePerplexity(model, await readFile('stories.txt', 'utf8'));
 */
export async function evaluatePerplexity(
  model: Model,
  source: string | Int32Array,
  options: PerplexityOptions = {},
): Promise<Perplexity> {
  const mode = resolveMode(model.info, options.mode);
  const context = windowLength(model, options.context);
  const limit = positive('tokens', options.tokens ?? Number.MAX_SAFE_INTEGER);
  const ids = typeof source === 'string' ? await corpusTokens(model, source, limit + 1) : source;
  const total = Math.min(ids.length - 1, limit);
  if (total < 1) throw invalid('source', 'fewer than two tokens are left to evaluate');

  return model.withSession(async (session) => {
    const sums = { nll: 0, tokens: 0, stats: noStats(model.info.model.layers) };
    let aborted = false;
    try {
      const chunks = cutChunks(total, context, model.info.model.vocab);
      for await (const { start, end, evaluation } of evaluateAhead(session, ids, chunks, {
        mode,
        ...(options.signal && { signal: options.signal }),
      })) {
        for (let i = start; i < end; i++) {
          const logits = evaluation.logits[i - start] as Float32Array;
          sums.nll += negativeLogLikelihood(logits, ids[i + 1] as number);
        }
        sums.tokens = end;
        addStats(sums.stats, evaluation.stats);
        options.onProgress?.(end, total);
      }
    } catch (error) {
      if (!isPipelineError(error, 'ABORTED') || sums.tokens === 0) throw error;
      aborted = true;
    }
    const nll = sums.nll / sums.tokens;
    const { tokens, stats } = sums;
    return { perplexity: Math.exp(nll), nll, tokens, mode, context, aborted, stats };
  });
}

interface Chunk {
  start: number;
  end: number;
  /** Whether it begins a window. */
  fresh: boolean;
}

function cutChunks(total: number, context: number, vocab: number): Chunk[] {
  const rows = Math.max(1, Math.min(MAX_CHUNK, Math.floor(MAX_LOGIT_BYTES / (4 * vocab))));
  const chunks: Chunk[] = [];
  for (let window = 0; window < total; window += context) {
    const windowEnd = Math.min(window + context, total);
    for (let start = window; start < windowEnd; start += rows) {
      chunks.push({ start, end: Math.min(start + rows, windowEnd), fresh: start === window });
    }
  }
  return chunks;
}

/** Evaluates one chunk ahead, so that the engine computes while the last one is scored. */
async function* evaluateAhead(
  session: Session,
  ids: Int32Array,
  chunks: readonly Chunk[],
  options: { mode: Mode; signal?: AbortSignal },
) {
  const begin = async ({ start, end, fresh }: Chunk) => {
    if (fresh) await session.truncate(0);
    return session.evaluate(ids.subarray(start, end), { ...options, logits: 'all' });
  };
  let next = chunks[0] && begin(chunks[0]);
  for (const [index, chunk] of chunks.entries()) {
    const evaluation = await next;
    if (evaluation === undefined) return;
    const following = chunks[index + 1];
    next = following && begin(following);
    // Met when it is awaited; until then nobody else would.
    next?.catch(() => undefined);
    yield { ...chunk, evaluation };
  }
}

async function corpusTokens(model: Model, text: string, enough: number): Promise<Int32Array> {
  const parts: Int32Array[] = [];
  let length = 0;
  for (const document of splitDocuments(text)) {
    const tokens = await model.promptTokens(document);
    parts.push(tokens);
    length += tokens.length;
    if (length >= enough) break;
  }
  return concatTokens(parts);
}

function negativeLogLikelihood(logits: Float32Array, target: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > highest) highest = logit;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - highest);
  const chosen = logits[target];
  if (chosen === undefined) throw invalid('source', `token id ${target} is not in the vocabulary`);
  return highest + Math.log(sum) - chosen;
}

function windowLength(model: Model, asked: number | undefined): number {
  const longest = model.info.context;
  if (asked === undefined) return Math.min(DEFAULT_CONTEXT, longest);
  if (positive('context', asked) <= longest) return asked;
  const reason = `windows of ${asked} tokens do not fit the context of ${longest} (${model.info.contextSource})`;
  throw new PipelineError('CONTEXT_OVERFLOW', `${reason}. Use a shorter --context.`, { reason });
}

function positive(argument: string, value: number): number {
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw invalid(argument, `${value} is not a positive whole number`);
}

function invalid(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument}: ${reason}.`, { argument, reason });
}

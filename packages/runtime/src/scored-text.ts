import { PipelineError } from '@thermocline/contracts';
import { splitDocuments } from '@thermocline/profiler';
import type { Model } from './model.js';
import { concatTokens } from './prompt.js';

const DEFAULT_CONTEXT = 512;

/** Which part of a text is scored, and in what windows it is read. */
export interface ScoredTextOptions {
  /** At most this many tokens are scored; default: all. */
  tokens?: number;
  /** Tokens per window; default: 512, or the model's context where that is shorter. */
  context?: number;
}

/** Token ids of which every one but the first is scored. */
export interface ScoredText {
  ids: Int32Array;
  /** Ids 1 to `total` are scored. */
  total: number;
  /** Windows are this long, do not overlap, and each is read from an empty context. */
  context: number;
}

/**
 * Makes token ids of a text. It is cut into documents; each begins with BOS where the model file
 * asks for it, then they are joined. Ids are taken as they are.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when fewer than two ids are left or an option is out of
 * range, `CONTEXT_OVERFLOW`
 */
export async function readScoredText(
  model: Model,
  source: string | Int32Array,
  options: ScoredTextOptions,
): Promise<ScoredText> {
  const context = windowLength(model, options.context);
  const limit = positive('tokens', options.tokens ?? Number.MAX_SAFE_INTEGER);
  const ids = typeof source === 'string' ? await corpusTokens(model, source, limit + 1) : source;
  const total = Math.min(ids.length - 1, limit);
  if (total < 1) throw invalid('source', 'fewer than two tokens are left to evaluate');
  requireInVocabulary(ids.subarray(0, total + 1), model.info.model.vocab);
  return { ids, total, context };
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

function requireInVocabulary(ids: Int32Array, vocab: number): void {
  const stranger = ids.find((id) => id < 0 || id >= vocab);
  if (stranger === undefined) return;
  throw invalid('source', `token id ${stranger} is not in the vocabulary of ${vocab}`);
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

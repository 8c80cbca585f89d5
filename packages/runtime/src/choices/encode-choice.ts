import { type Engine, PipelineError } from '@thermocline/contracts';
import { concatTokens } from '../prompt.js';
import type { ChoiceText } from './choice-task.js';

/** A text to score, in tokens. */
export interface EncodedChoice {
  /** At least one token. */
  context: Int32Array;
  /** At least one token. */
  continuation: Int32Array;
  /** Tokens of the context that were left out at its beginning, for it would not have fit. */
  truncated: number;
}

/**
 * Encodes a context and its continuation as EleutherAI's harness does: spaces at the end of the
 * context go to the continuation; both are encoded as one text, and what follows the tokens of the
 * context alone is the continuation. BOS goes before it where the model file asks for it; an empty
 * context is BOS, or EOS where there is none. What is too long loses tokens on the left.
 *
 * @param room - tokens a timeline holds
 * @throws PipelineError `CONTEXT_OVERFLOW` when the continuation alone is too long,
 * `INVALID_ARGUMENT` when it has no tokens
 */
export async function encodeChoice(
  engine: Engine,
  text: ChoiceText,
  room: number,
): Promise<EncodedChoice> {
  const { context, continuation } = await encodePair(engine, text);
  if (continuation.length === 0) {
    const reason = `"${text.continuation.slice(0, 40)}" adds no token to its context`;
    throw new PipelineError('INVALID_ARGUMENT', `tasks: ${reason}.`, { argument: 'tasks', reason });
  }
  if (continuation.length > room) {
    const reason = `a choice of ${continuation.length} tokens does not fit the context of ${room}`;
    throw new PipelineError('CONTEXT_OVERFLOW', `${reason}. Use a longer --context.`, { reason });
  }
  // The last token is foretold and never read.
  const excess = context.length + continuation.length - 1 - room;
  const truncated = Math.max(0, excess);
  return { context: context.subarray(truncated), continuation, truncated };
}

async function encodePair(engine: Engine, { context, continuation }: ChoiceText) {
  const kept = withoutTrailingSpace(context);
  const moved = context.slice(kept.length) + continuation;
  if (kept === '') {
    return { context: prefixOf(engine), continuation: await engine.tokenize(moved) };
  }
  const { addsBos, bos } = engine.info;
  const begin = addsBos && bos !== null ? [bos] : [];
  const before = await engine.tokenize(kept);
  const whole = await engine.tokenize(kept + moved);
  return {
    context: concatTokens([begin, before]),
    continuation: whole.subarray(before.length),
  };
}

function prefixOf({ info }: Engine): Int32Array {
  const prefix = info.bos ?? info.eos;
  if (prefix !== null) return Int32Array.of(prefix);
  const reason = 'a context is empty, and the model has no BOS and no EOS to stand for it';
  throw new PipelineError('INVALID_ARGUMENT', `tasks: ${reason}.`, { argument: 'tasks', reason });
}

/** As Python's `str.rstrip()`, which the harness uses; JavaScript's `trimEnd` differs a little. */
function withoutTrailingSpace(text: string): string {
  let end = text.length;
  while (end > 0 && isPythonSpace(text.charCodeAt(end - 1))) end--;
  return text.slice(0, end);
}

function isPythonSpace(code: number): boolean {
  if ((code >= 0x1c && code <= 0x1f) || code === 0x85) return true;
  return code !== 0xfeff && /\s/.test(String.fromCharCode(code));
}

import { type Mode, PipelineError } from '@thermocline/contracts';
import { requireNamedLoss, resolveMode } from './mode.js';
import type { Model } from './model.js';
import type { NamedLoss } from './use-predictors.js';

export interface TopLogitsOptions {
  mode?: Mode;
  /** How many; default 10. */
  top?: number;
  signal?: AbortSignal;
}

/** What a model would say next, most likely first. */
export interface TopLogits {
  /** The ids that were evaluated, BOS included. */
  tokens: number[];
  top: { id: number; text: string; logit: number }[];
  mode: Mode;
  /** What the mode is known to lose; `null` where nothing is lost, or nothing was measured. */
  loss: NamedLoss | null;
}

/**
 * The highest logits after a text (which gets BOS where the model file asks for it) or after
 * token ids (which are taken as they are). Of equal logits the lower id comes first.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `CONTEXT_OVERFLOW`, `MODE_UNSUPPORTED`
 *
 * @example
 * const { top } = await topLogits(model, 'Once upon a', { top: 3 });
 * console.log(top[0]?.text); // ' time'
 */
export async function topLogits(
  model: Model,
  prompt: string | Int32Array,
  options: TopLogitsOptions = {},
): Promise<TopLogits> {
  const { top: count = 10, signal } = options;
  const mode = resolveMode(model.info, options.mode);
  const loss = requireNamedLoss(model, mode);
  const tokens = await model.promptTokens(prompt);
  if (tokens.length === 0) {
    const reason = 'there is no token to evaluate; give a text or token ids';
    throw new PipelineError('INVALID_ARGUMENT', `prompt: ${reason}.`, {
      argument: 'prompt',
      reason,
    });
  }
  const logits = await model.withSession(async (session) => {
    const evaluation = await session.evaluate(tokens, { mode, ...(signal && { signal }) });
    return evaluation.logits[0] as Float32Array;
  });
  const describe = async (id: number) => {
    const text = await model.engine.detokenize([id], { special: true });
    return { id, text, logit: logits[id] as number };
  };
  const top = await Promise.all(highest(logits, count).map(describe));
  return { tokens: [...tokens], top, mode, loss };
}

/** Indices of the highest values, highest first. */
function highest(values: Float32Array, count: number): number[] {
  const ids = Array.from(values, (_, id) => id);
  const value = (id: number) => values[id] as number;
  return ids.sort((a, b) => value(b) - value(a) || a - b).slice(0, count);
}

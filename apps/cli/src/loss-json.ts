import type { NamedLoss } from '@thermocline/runtime';

/** What a lossy mode is known to cost, in JSON; `null` where nothing is lost or nothing is known. */
export function lossJson(loss: NamedLoss | null) {
  if (loss === null) return null;
  return {
    perplexity: loss.perplexity,
    dense_perplexity: loss.densePerplexity,
    change: loss.change,
    tokens: loss.tokens,
    interpolated: loss.interpolated,
  };
}

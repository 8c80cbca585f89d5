import { isHeldOut } from '@thermocline/predictor';
import { type Corpus, type CutOptions, cutWindows } from '@thermocline/profiler';
import { activationSource } from './activation-source.js';
import type { Model } from './model.js';
import { concatTokens } from './prompt.js';

/**
 * The ids that `Model.trainPredictors` holds out of a corpus, window after window: what to measure
 * a predictor set on where there is no other text.
 *
 * @throws PipelineError as `cutWindows` of `@thermocline/profiler`
 *
 * @example
 * const measured = await measureLoss(model, set, await heldOutTokens(model, corpus, { tokens }));
 */
export async function heldOutTokens(
  model: Model,
  corpus: Corpus,
  options: CutOptions = {},
): Promise<Int32Array> {
  const parts: Int32Array[] = [];
  let index = 0;
  for await (const { tokens } of cutWindows(activationSource(model.engine), corpus, options)) {
    if (tokens.length > 0 && isHeldOut(index++)) parts.push(tokens);
  }
  return concatTokens(parts);
}

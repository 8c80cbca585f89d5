import type { MeasuredLoss, Mode, PredictorSet } from '@thermocline/contracts';
import { evaluatePerplexity } from './evaluate-perplexity.js';
import { isLossy } from './is-lossy.js';
import type { Model } from './model.js';
import { requireNotAborted } from './require-not-aborted.js';
import { readScoredText } from './scored-text.js';
import type { OperatingPoint } from './use-predictors.js';

export interface MeasureLossOptions {
  /** Beside the point the set was made for. */
  points?: readonly OperatingPoint[];
  /** At most this many tokens of the text; default 8,192. */
  tokens?: number;
  /** Hears the share done, 0 to 1. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
}

/**
 * Measures what a predictor set costs: the perplexity of a text in `dense` and in the set's own
 * mode, at each point of operation. The result is the set with its measurements; the model keeps
 * the predictors and the default mode it had.
 *
 * @param made - a set for this model, with thresholds as it was made
 * @param text - not what the set was trained on
 * @throws PipelineError as `evaluatePerplexity` and `Model.usePredictors`; `ABORTED`, also where a part
 * of the text was read
 *
 * @example
 * const measured = await measureLoss(model, set, heldOut, { points: [{ recall: 0.95 }] });
 */
export async function measureLoss(
  model: Model,
  made: PredictorSet,
  text: string | Int32Array,
  options: MeasureLossOptions = {},
): Promise<PredictorSet> {
  const { points = [], tokens = 8192, onProgress, signal } = options;
  const { ids } = await readScoredText(model, text, { tokens });
  const runs = points.length + 2;
  let done = 0;
  const perplexityIn = async (mode: Mode) => {
    const result = await evaluatePerplexity(model, ids, {
      mode,
      tokens,
      audit: false,
      ...(signal && { signal }),
      onProgress: (part, whole) => onProgress?.((done + part / whole) / runs),
    });
    // A part of the text would be compared with the whole of it.
    requireNotAborted(signal);
    done += 1;
    return result;
  };

  const before = model.predictors;
  try {
    const dense = await perplexityIn('dense');
    const measured: MeasuredLoss[] = [];
    for (const point of [{}, ...points]) {
      await model.usePredictors(made, point);
      const mode = model.info.modes.find(isLossy) ?? 'threshold';
      const { perplexity } = await perplexityIn(mode);
      measured.push({
        mode,
        ...point,
        perplexity,
        densePerplexity: dense.perplexity,
        tokens: dense.tokens,
      });
    }
    return { ...made, measured };
  } finally {
    await model.usePredictors(before?.made ?? null, before?.point);
  }
}

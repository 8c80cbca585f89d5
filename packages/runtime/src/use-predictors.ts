import {
  type MeasuredLoss,
  type Mode,
  PipelineError,
  type PredictorSet,
  readPredictorSet,
} from '@thermocline/contracts';
import { moveSparsity, moveThresholds } from '@thermocline/predictor';

/** Where between computing little and losing little a predictor set is run. One of the two. */
export interface OperatingPoint {
  /** The value recall its thresholds are set for. */
  recall?: number;
  /** The share of neurons they leave out. */
  sparsity?: number;
}

/** A predictor set as it is run, and as it was made. */
export interface LoadedPredictors {
  /** With thresholds moved to where it is run. */
  set: PredictorSet;
  made: PredictorSet;
  /** What was asked for; neither: as it was made. */
  point: OperatingPoint;
}

/**
 * The predictor set that was named or handed over, if it was made for this model.
 *
 * @throws PipelineError those of `readPredictorSet`, `ARTIFACT_MODEL_MISMATCH` among them
 */
export async function readPredictors(
  predictors: PredictorSet | string,
  fingerprint: string,
): Promise<PredictorSet> {
  if (typeof predictors === 'string') return readPredictorSet(predictors, { fingerprint });
  if (predictors.fingerprint === fingerprint) return predictors;
  throw new PipelineError(
    'ARTIFACT_MODEL_MISMATCH',
    `The predictor set was made for the model ${predictors.fingerprint}, this one is ${fingerprint}. Train one for this model.`,
    { path: 'the predictor set', expected: fingerprint, found: predictors.fingerprint },
  );
}

/**
 * Moves the thresholds of a set to where it is to be run.
 *
 * @throws PipelineError `INVALID_ARGUMENT` outside what the set was calibrated for
 */
export function placePredictors(made: PredictorSet, point: OperatingPoint): LoadedPredictors {
  const { recall, sparsity } = point;
  if (recall !== undefined && sparsity !== undefined) {
    const reason = 'give either a recall or a sparsity; each follows from the other';
    throw new PipelineError('INVALID_ARGUMENT', `--recall: ${reason}.`, {
      argument: 'recall',
      reason,
    });
  }
  if (recall !== undefined) return { set: moveThresholds(made, recall), made, point };
  if (sparsity !== undefined) return { set: moveSparsity(made, sparsity), made, point };
  return { set: made, made, point };
}

/** A loss that was measured, or lies between two that were. */
export interface NamedLoss {
  mode: Mode;
  perplexity: number;
  densePerplexity: number;
  /** perplexity ÷ densePerplexity − 1 */
  change: number;
  /** Tokens it was measured on. */
  tokens: number;
  /** No such point was measured, but one on either side. */
  interpolated: boolean;
}

/**
 * What a set costs in a mode where it is run, from the measurements it carries; `null` where it
 * carries none that tell.
 *
 * @example
 * const loss = namedLoss(model.predictors, 'threshold');
 * if (loss) console.log(`${(100 * loss.change).toFixed(1)} % of perplexity`);
 */
export function namedLoss({ made, point }: LoadedPredictors, mode: Mode): NamedLoss | null {
  const measured = (made.measured ?? []).filter((loss) => loss.mode === mode);
  const axis = point.sparsity === undefined ? 'recall' : 'sparsity';
  const asked = point[axis];
  // The first one is of the set as it was made.
  const first = measured[0];
  if (asked === undefined) return first ? toLoss(first, first, 0) : null;
  const along = measured
    .filter((loss) => loss[axis] !== undefined)
    .sort((a, b) => (a[axis] as number) - (b[axis] as number));
  const above = along.findIndex((loss) => (loss[axis] as number) >= asked - 1e-9);
  const [below, next] = [along[above - 1], along[above]];
  if (next === undefined) return null;
  if (Math.abs((next[axis] as number) - asked) < 1e-9) return toLoss(next, next, 0);
  if (below === undefined) return null;
  const [from, to] = [below[axis] as number, next[axis] as number];
  return toLoss(below, next, (asked - from) / (to - from));
}

function toLoss(below: MeasuredLoss, above: MeasuredLoss, share: number): NamedLoss {
  const between = (a: number, b: number) => a + share * (b - a);
  const perplexity = between(below.perplexity, above.perplexity);
  const densePerplexity = between(below.densePerplexity, above.densePerplexity);
  return {
    mode: below.mode,
    perplexity,
    densePerplexity,
    change: perplexity / densePerplexity - 1,
    tokens: Math.min(below.tokens, above.tokens),
    interpolated: share > 0,
  };
}

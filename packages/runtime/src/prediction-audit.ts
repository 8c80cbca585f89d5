import { type Mode, PipelineError, type PredictionAudit } from '@thermocline/contracts';

/** What is summed by layer. */
const BY_LAYER = ['firing', 'predicted', 'hits', 'firingValue', 'hitValue'] as const;

/** How well predictors guessed; `null` where nothing fired. */
export interface PredictionQuality {
  /** Predicted and firing ÷ firing, by count. */
  recallCount: number | null;
  /** The same with each neuron weighted by |h|·‖down column‖. */
  recallValue: number | null;
  /** Σ predicted ÷ Σ firing */
  overPrediction: number | null;
}

/** The audit of no token at all, to add to. */
export function noAudit(layers: number): PredictionAudit {
  const zeros = () => new Array<number>(layers).fill(0);
  return {
    tokens: 0,
    firing: zeros(),
    predicted: zeros(),
    hits: zeros(),
    firingValue: zeros(),
    hitValue: zeros(),
  };
}

/** Adds the audit of a step to a sum. */
export function addAudit(sum: PredictionAudit, step: PredictionAudit): void {
  sum.tokens += step.tokens;
  for (const what of BY_LAYER) {
    for (const [layer, value] of step[what].entries()) {
      sum[what][layer] = (sum[what][layer] ?? 0) + value;
    }
  }
}

/** The audit that an engine was asked for. */
export function requireAudit(audit: PredictionAudit | undefined, mode: Mode): PredictionAudit {
  if (audit !== undefined) return audit;
  const reason = `the engine did not audit mode "${mode}", though it was asked to`;
  throw new PipelineError('INTERNAL', `${reason}.`, { reason });
}

/**
 * Recall and over-prediction of one layer, or pooled over all of them.
 *
 * @example
 * const { audit } = await session.evaluate(tokens, { mode: 'predicted', audit: true });
 * const { recallValue, overPrediction } = predictionQuality(audit);
 */
export function predictionQuality(audit: PredictionAudit, layer?: number): PredictionQuality {
  const sum = (values: readonly number[]) =>
    layer === undefined ? values.reduce((total, value) => total + value, 0) : (values[layer] ?? 0);
  const firing = sum(audit.firing);
  return {
    recallCount: share(sum(audit.hits), firing),
    recallValue: share(sum(audit.hitValue), sum(audit.firingValue)),
    overPrediction: share(sum(audit.predicted), firing),
  };
}

function share(part: number, whole: number): number | null {
  return whole > 0 ? part / whole : null;
}

import { type PredictorSet, predictorWeights, TIERS } from '@thermocline/contracts';
import type { DecodeSpeed } from './measure-decode.js';

/** What predictors take of a whole model; `null` where it was not measured. */
export interface PredictorShares {
  /** Weights of the predictors ÷ parameters of the model. */
  parameters: number | null;
  /** Bytes read for predictors ÷ all bytes read, while decoding. */
  bytes: number | null;
  /** Time of the predictors ÷ time of a token, while decoding. */
  time: number | null;
}

/** Where the shares come from. */
export interface PredictorCosts {
  set: PredictorSet | null;
  /** Of the model, without predictors. */
  parameters: number;
  decode: DecodeSpeed | null;
}

/**
 * The share of one layer's predictor, or of all of them; layers add up to the whole.
 *
 * @example
 * const { parameters } = predictorShares({ set, parameters: 8_060_000, decode: null });
 */
export function predictorShares(
  { set, parameters, decode }: PredictorCosts,
  layer?: number,
): PredictorShares {
  const sum = (values: readonly number[]) =>
    layer === undefined ? values.reduce((total, value) => total + value, 0) : (values[layer] ?? 0);
  const share = (part: number, whole: number) => (whole > 0 ? part / whole : null);
  const stats = decode?.stats;
  const bytes = stats && TIERS.reduce((total, tier) => total + stats.bytesRead[tier], 0);
  return {
    parameters: set && share(sum(set.layers.map(predictorWeights)), parameters),
    bytes: stats ? share(sum(stats.predictorBytes), bytes ?? 0) : null,
    time: stats ? share(sum(stats.predictorMs), stats.timeMs) : null,
  };
}

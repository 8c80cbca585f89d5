import type { Mode, StepStats } from '@thermocline/contracts';
import type { DecodeSpeed } from './measure-decode.js';
import type { ModeTally } from './mode-tally.js';
import { type PredictionQuality, predictionQuality } from './prediction-audit.js';
import { type PredictorCosts, type PredictorShares, predictorShares } from './predictor-shares.js';

/** Neurons of a layer, or of the whole model: which fire, which were foretold, what that costs. */
export interface NeuronFigures extends PredictionQuality {
  /** Share of the neurons that do not fire on a token. */
  trueSparsity: number | null;
  /** Share of the neurons that are not computed; in `exact` those that do not fire. */
  predictedSparsity: number | null;
  predictor: PredictorShares;
}

/** How a mode foresees the text. */
export interface ModeScore {
  mode: Mode;
  /** e^nll */
  perplexity: number;
  /** Mean over the scored tokens, nats. */
  nll: number;
  /** Sums over all windows; those of lossy modes include the time of the audit. */
  stats: StepStats;
  /** `null` when it was not asked for or the text is too short. */
  decode: DecodeSpeed | null;
}

/** A mode beside `dense` on the same tokens. */
export interface ModeEvaluation extends ModeScore {
  /** perplexity ÷ dense − 1 */
  perplexityChange: number;
  /** Mean of nll − dense nll over the tokens, and its standard error from the same pairs. */
  nllChange: { mean: number; standardError: number | null };
  /** Share of the tokens on which the most likely next token is that of dense. */
  agreement: number;
  /** Mean KL(dense‖mode), nats. */
  divergence: number;
  whole: NeuronFigures;
  layers: NeuronFigures[];
}

/** Perplexity and speed of a mode, after all chunks. */
export function toScore(tally: ModeTally, decode: DecodeSpeed | null): ModeScore {
  const { mode, stats } = tally;
  const nll = tally.nll / tally.tokens;
  return { mode, perplexity: Math.exp(nll), nll, stats, decode };
}

/** A mode beside `dense`, after all chunks. */
export function compareWithDense(
  score: ModeScore,
  dense: ModeScore,
  tally: ModeTally,
  from: Omit<PredictorCosts, 'decode'>,
): ModeEvaluation {
  const costs = { ...from, decode: score.decode };
  const layers = score.stats.neurons.keys();
  return {
    ...score,
    perplexityChange: score.perplexity / dense.perplexity - 1,
    nllChange: { mean: tally.change.mean, standardError: tally.change.standardError },
    agreement: tally.agreed / tally.tokens,
    divergence: tally.divergence.mean,
    whole: neuronFigures(tally, costs),
    layers: Array.from(layers, (layer) => neuronFigures(tally, costs, layer)),
  };
}

function neuronFigures(
  { mode, audit, stats }: ModeTally,
  costs: PredictorCosts,
  layer?: number,
): NeuronFigures {
  const sum = (values: readonly number[]) =>
    layer === undefined ? values.reduce((total, value) => total + value, 0) : (values[layer] ?? 0);
  const neurons = sum(stats.neurons);
  const sparsity = (counted: readonly number[]) =>
    neurons > 0 ? 1 - sum(counted) / neurons : null;
  const nothing = { recallCount: null, recallValue: null, overPrediction: null };
  const nowhere = { parameters: null, bytes: null, time: null };
  return {
    // A lossy mode counts as firing only what it computed; the audit saw the rest.
    trueSparsity: sparsity(audit?.firing ?? stats.fired),
    predictedSparsity: sparsity(mode === 'exact' ? stats.fired : stats.computed),
    ...(audit ? predictionQuality(audit, layer) : nothing),
    predictor: audit ? predictorShares(costs, layer) : nowhere,
  };
}

import { type Mode, type PredictorSet, TIERS } from '@thermocline/contracts';
import {
  activeRatio,
  activeRatioPerLayer,
  type ModeComparison,
  type ModeEvaluation,
  type Model,
  type ModeScore,
  type NeuronFigures,
} from '@thermocline/runtime';
import { rankOf } from './rank-of.js';

/** Every figure, flat for the mode that was asked for; with `compare` also of all modes. */
export function comparisonJson(
  { info, predictors }: Model,
  comparison: ModeComparison,
  { mode, compare }: { mode: Mode; compare?: boolean },
) {
  const { dense, modes, tokens, context, aborted, parameters } = comparison;
  const set = predictors?.set ?? null;
  const asked = modes.find((one) => one.mode === mode);
  const all = () => [scoreJson(dense), ...modes.map((one) => evaluationJson(one, dense, set))];
  return {
    model: info.name,
    tokens,
    context,
    aborted,
    parameters,
    recall: predictors?.point.recall ?? null,
    sparsity: predictors?.point.sparsity ?? null,
    ...(asked ? evaluationJson(asked, dense, set) : scoreJson(dense)),
    ...(compare && { modes: all() }),
  };
}

function scoreJson({ mode, perplexity, nll, stats, decode }: ModeScore) {
  return {
    mode,
    perplexity,
    nll,
    decode_tps: decode?.tokensPerSecond ?? null,
    tps: (stats.tokens / stats.timeMs) * 1000,
    ffn_active_ratio: activeRatio(stats),
    ffn_active_ratio_per_layer: activeRatioPerLayer(stats),
    bytes_read: Object.fromEntries(TIERS.map((tier) => [tier, stats.bytesRead[tier]])),
  };
}

function evaluationJson(evaluation: ModeEvaluation, dense: ModeScore, set: PredictorSet | null) {
  return {
    ...scoreJson(evaluation),
    dense_perplexity: dense.perplexity,
    dense_decode_tps: dense.decode?.tokensPerSecond ?? null,
    perplexity_change: evaluation.perplexityChange,
    nll_change: evaluation.nllChange.mean,
    nll_change_error: evaluation.nllChange.standardError,
    agreement: evaluation.agreement,
    divergence: evaluation.divergence,
    ...figuresJson(evaluation.whole),
    layers: evaluation.layers.map((figures, layer) => {
      const predictor = set?.layers[layer];
      return {
        layer,
        kind: predictor?.kind ?? null,
        reads: predictor && predictor.kind !== 'none' ? predictor.reads : null,
        rank: rankOf(predictor),
        ...figuresJson(figures),
      };
    }),
  };
}

function figuresJson(figures: NeuronFigures) {
  const { predictor } = figures;
  return {
    true_sparsity: figures.trueSparsity,
    predicted_sparsity: figures.predictedSparsity,
    recall_value: figures.recallValue,
    recall_count: figures.recallCount,
    over_prediction: figures.overPrediction,
    predictor_params_share: predictor.parameters,
    predictor_bytes_share: predictor.bytes,
    predictor_time_share: predictor.time,
  };
}

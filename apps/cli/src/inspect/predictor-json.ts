import {
  type HeldOutQuality,
  type LayerPredictor,
  modelParameters,
  type PredictorSet,
  predictorBytes,
  predictorWeights,
} from '@thermocline/contracts';
import { calibratedRange, madeFor, measuredSparsities } from './predictor-range.js';

/** A layer's predictor as programs read it; `null` is what it does not have or say. */
export type LayerJson = ReturnType<typeof layerJson>;

export function predictorsJson(set: PredictorSet) {
  const parameters = modelParameters(set.model);
  const weights = set.layers.reduce((sum, layer) => sum + predictorWeights(layer), 0);
  const made = madeFor(set);
  return {
    weights,
    bytes: set.layers.reduce((sum, layer) => sum + predictorBytes(layer), 0),
    params_share: weights / parameters,
    made_for: made && { recall: made.recall ?? null, sparsity: made.sparsity ?? null },
    calibration: calibratedRange(set),
    measured_sparsities: measuredSparsities(set),
    measured: (set.measured ?? []).map((loss) => ({
      mode: loss.mode,
      recall: loss.recall ?? null,
      sparsity: loss.sparsity ?? null,
      perplexity: loss.perplexity,
      dense_perplexity: loss.densePerplexity,
      perplexity_change: loss.perplexity / loss.densePerplexity - 1,
      tokens: loss.tokens,
    })),
    layers: set.layers.map((layer) => layerJson(layer, parameters)),
  };
}

function layerJson(predictor: LayerPredictor, parameters: number) {
  const lowRank = predictor.kind === 'trained' || predictor.kind === 'factorised';
  const predicts = predictor.kind !== 'none';
  const weights = predictorWeights(predictor);
  return {
    kind: predictor.kind,
    reads: predicts ? predictor.reads : null,
    rank: lowRank ? predictor.down.rows : null,
    type: lowRank ? predictor.up.type : null,
    weights,
    bytes: predictorBytes(predictor),
    params_share: weights / parameters,
    thresholds: predicts ? predictor.threshold.length : 0,
    ...qualityJson(predicts ? predictor.heldOut : undefined),
    same_layer: predicts && predictor.sameLayer ? qualityJson(predictor.sameLayer) : null,
  };
}

function qualityJson(quality: HeldOutQuality | undefined) {
  return {
    recall_value: quality?.recallValue ?? null,
    recall_count: quality?.recallCount ?? null,
    over_prediction: quality?.overPrediction ?? null,
    density: quality?.density ?? null,
    held_out_tokens: quality?.tokens ?? null,
  };
}

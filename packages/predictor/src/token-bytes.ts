import {
  BLOCK_COLUMNS,
  hasExactZeros,
  type ModelInfo,
  type PredictorType,
  rowBytes,
} from '@thermocline/contracts';

/** Bytes of FFN weights that a neuron of a layer takes, by when they are read. */
export interface NeuronBytes {
  /** Rows read of every neuron that is predicted. */
  predicted: number;
  /** Rows read only where it then turns out to fire. */
  firing: number;
}

/**
 * What a token reads of a neuron: where activations can be zero, the first matrix decides whether
 * the rest is needed; where they cannot, a predicted neuron is read whole.
 */
export function neuronBytes(model: ModelInfo): NeuronBytes {
  const { gated, d_model } = model;
  const row = (role: 'gate' | 'up' | 'down') => rowBytes(model, role, d_model);
  const first = gated ? row('gate') : row('up');
  const rest = row('down') + (gated ? row('up') : 0);
  if (!hasExactZeros(model)) return { predicted: first + rest, firing: 0 };
  return { predicted: first, firing: rest };
}

/** Bytes a token reads of a layer without a predictor; `firing`: neurons that fire. */
export function bytesWithout(model: ModelInfo, neurons: number, firing: number): number {
  const bytes = neuronBytes(model);
  return neurons * bytes.predicted + firing * bytes.firing;
}

/** Weights of a low-rank predictor. */
function lowRankWeights(model: ModelInfo, layer: number, rank: number): number {
  return rank * (model.d_model + (model.n_ff[layer] as number));
}

/** Bytes of a low-rank predictor, with one threshold per neuron. */
export function lowRankBytes(
  model: ModelInfo,
  layer: number,
  rank: number,
  type: PredictorType,
): number {
  const neurons = model.n_ff[layer] as number;
  const perWeight = {
    F32: 4,
    F16: 2,
    BF16: 2,
    I8: 1,
    Q8_0: 1 + 2 / BLOCK_COLUMNS,
    Q4_0: 0.5 + 2 / BLOCK_COLUMNS,
  }[type];
  const rowScales = type === 'I8' ? 4 * (rank + neurons) : 0;
  return lowRankWeights(model, layer, rank) * perWeight + rowScales + 4 * neurons;
}

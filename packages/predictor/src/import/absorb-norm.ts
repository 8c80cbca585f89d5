import { invalidOption, type ModelInfo } from '@thermocline/contracts';

/** The norm before an FFN. `rms`: x = w · r / rms(r). `layer`: x = w · (r − mean) / deviation + b. */
export interface FfnNorm {
  kind: 'rms' | 'layer';
  /** w [d_model] */
  weight: Float32Array;
}

/**
 * Why a predictor that read the state before this norm cannot decide the same after it. RMSNorm
 * divides by a positive number, the same for all values of a state, and a network of ReLU without
 * biases passes it on: up · relu(W · diag(1/w) · x) = up · relu(W · r) / rms(r). So the signs of
 * scores stay what they were. LayerNorm also takes the mean away, which no matrix brings back.
 */
export function whatIsLost({ kind, weight }: FfnNorm): string[] {
  const lost: string[] = [];
  if (kind === 'layer') {
    lost.push(
      'the norm before the FFN is a LayerNorm: the predictors read the mean that it takes away',
    );
  }
  const dead = weight.reduce((count, value) => count + (value === 0 ? 1 : 0), 0);
  if (dead > 0) {
    const values = `${dead} of ${weight.length} values`;
    lost.push(`the norm before the FFN sets ${values} to 0, and the predictors read them`);
  }
  return lost;
}

/**
 * Lets a matrix that multiplied the state before a norm read the state after it: W · diag(1/w).
 *
 * @param matrix - W [rank × d_model], changed in place
 */
export function absorbNorm(matrix: Float32Array, { weight }: FfnNorm): void {
  for (let i = 0; i < matrix.length; i++) {
    const scale = weight[i % weight.length] as number;
    matrix[i] = scale === 0 ? 0 : (matrix[i] as number) / scale;
  }
}

/** @throws PipelineError `INVALID_ARGUMENT` */
export function checkNorms(
  norms: readonly FfnNorm[] | undefined,
  { layers, d_model }: ModelInfo,
): readonly FfnNorm[] {
  if (norms === undefined) {
    const reason = `are needed: the predictors read the hidden state before the norm of the FFN, the engine has it after. Give the weights of those norms, or reads: 'ffn-input' if the predictors were trained so`;
    throw invalidOption('norms', reason);
  }
  if (norms.length !== layers) {
    throw invalidOption('norms', `are those of ${norms.length} layers, the model has ${layers}`);
  }
  for (const [layer, { weight }] of norms.entries()) {
    if (weight.length !== d_model || weight.some((value) => !Number.isFinite(value))) {
      throw invalidOption('norms', `of layer ${layer} are not ${d_model} finite numbers`);
    }
  }
  return norms;
}

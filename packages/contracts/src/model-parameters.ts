import type { ModelInfo } from './model-info.js';

/**
 * Weights of a model by its description: embedding, head, attention, FFN, router and norms. Biases
 * and tables of positions, of which a description says nothing, are not counted: less than 1 %.
 *
 * @example
 * const share = set.layers.reduce((sum, l) => sum + predictorWeights(l), 0) / modelParameters(set.model);
 */
export function modelParameters(model: ModelInfo): number {
  const { d_model, heads, kv_heads, head_dim, vocab, layers, experts } = model;
  const attention = 2 * d_model * head_dim * (heads + kv_heads);
  const norms = 2 * d_model;
  const router = experts > 1 ? experts * d_model : 0;
  const neurons = model.n_ff.reduce((sum, count) => sum + count, 0);
  const ffn = neurons * d_model * (model.gated ? 3 : 2);
  const tables = vocab * d_model * (model.tied ? 1 : 2);
  return tables + layers * (attention + norms + router) + ffn + d_model;
}

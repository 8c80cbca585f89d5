import { expect, it } from 'vitest';
import type { ModelInfo } from './model-info.js';
import { modelParameters } from './model-parameters.js';

const stories: ModelInfo = {
  arch: 'llama',
  layers: 6,
  d_model: 256,
  n_ff: Array(6).fill(1024) as number[],
  experts: 1,
  heads: 4,
  kv_heads: 2,
  head_dim: 64,
  vocab: 4096,
  tied: false,
  gated: true,
  activation: 'relu',
  context: 512,
  weight_types: {},
};

it('counts the weights of the demo model, and of Llama 2 7B', () => {
  expect(modelParameters(stories)).toBe(7_998_720);
  const large = { layers: 32, d_model: 4096, heads: 32, kv_heads: 32, head_dim: 128, vocab: 32000 };
  const n_ff = Array(32).fill(11008) as number[];
  expect(modelParameters({ ...stories, ...large, n_ff })).toBe(6_738_415_616);
});

it('counts a table that is used twice once, and the router of a mixture', () => {
  expect(modelParameters({ ...stories, tied: true })).toBe(7_998_720 - 4096 * 256);
  expect(modelParameters({ ...stories, experts: 4 })).toBe(7_998_720 + 6 * 4 * 256);
});

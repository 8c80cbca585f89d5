// The models that benchmarks run: the embedded one, the SwiGLU one where the test data is, and a
// synthetic one.
import { join, resolve } from 'node:path';
import { shapeModel } from './shapes.mjs';

const ROOT = resolve(import.meta.dirname ?? '.', '..', '..');
const DATA = process.env['THERMOCLINE_TEST_DATA'] ?? resolve(ROOT, '..', 'shared', 'data');

/** @typedef {{ name: string, path: string, context: number, vocab: number, bos: number }} BenchmarkModel */

/** @type {BenchmarkModel} */
export const demoModel = {
  name: 'demo-8M-F16',
  path: join(ROOT, 'packages', 'demo-model', 'model', 'Llama-ReGLU-Stories-8M-f16.gguf'),
  context: 512,
  vocab: 4096,
  bos: 0,
};

/** In OPT style: two matrices per neuron, no gate. @type {BenchmarkModel} */
export const optModel = {
  ...demoModel,
  name: 'opt-1M-F16',
  path: join(ROOT, 'packages/demo-model/reference/opt/Llama-OPT-Stories-1M-f16.gguf'),
  context: 256,
};

/** @type {BenchmarkModel} */
export const swigluModel = {
  ...demoModel,
  name: 'swiglu-8M-F16',
  path: join(DATA, 'swiglu-model', 'Llama-SwiGLU-Stories-8M-f16.gguf'),
};

/**
 * @param {import('@thermocline/synth').SyntheticType} type
 * @param {{ relu?: boolean }} [options] with ReLU half of the neurons fire
 * @returns {Promise<BenchmarkModel>}
 */
export async function synthModel(type, { relu = false } = {}) {
  const name = `synth-160M-${type}${relu ? '-relu' : ''}`;
  const path = await shapeModel(relu ? 'llama-160m-relu' : 'llama-160m', { type });
  return { name, path, context: 1024, vocab: 32_000, bos: 1 };
}

/**
 * BOS and then arbitrary ordinary tokens, always the same.
 *
 * @param {BenchmarkModel} model
 * @param {number} count
 */
export function sampleIds(model, count) {
  const ids = [model.bos];
  for (let i = 1; i < count; i++) ids.push(300 + ((i * 7919) % (model.vocab - 400)));
  return ids;
}

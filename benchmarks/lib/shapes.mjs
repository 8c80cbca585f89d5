// Synthetic models of known shapes, written on first use into a folder that outlives the run.
import { existsSync, mkdirSync, renameSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { writePredictorSet } from '@thermocline/contracts';
import { inspectModel } from '@thermocline/runtime';
import { plantedPredictors, writeSyntheticModel } from '@thermocline/synth';
import { quantizeGguf } from '../../e2e/tools/quantize-gguf.mjs';
import { writeSynthLlama } from '../../e2e/tools/synth-llama.mjs';

const FOLDER = join(tmpdir(), 'thermocline-benchmark-models');

/** @typedef {import('@thermocline/synth').SyntheticModelOptions} Options */

/**
 * @param {string} shape
 * @param {Options} [options]
 * @returns {Promise<string>} the file
 */
export async function shapeModel(shape, options = {}) {
  const { type = 'Q4_0', layout = 'usual', layers, sparsity } = options;
  const variant = [layers && `${layers}-layers`, sparsity && `sparsity-${sparsity}`];
  const name = [shape, type, layout, ...variant].filter(Boolean).join('-');
  const path = join(FOLDER, `${name}.gguf`);
  if (!existsSync(path)) {
    mkdirSync(FOLDER, { recursive: true });
    process.stderr.write(`writing ${path}\n`);
    await writeSyntheticModel(path, shape, options);
  }
  return path;
}

/**
 * The predictors planted in such a model, beside it.
 *
 * @param {string} path
 * @param {string} shape
 * @param {Options} [options]
 */
export async function shapePredictors(path, shape, options = {}) {
  const file = path.replace(/\.gguf$/, '.predictors.safetensors');
  if (!existsSync(file)) {
    const { info, fingerprint } = await inspectModel(path);
    if (info === null) throw new Error(`${path} is no model`);
    await writePredictorSet(file, plantedPredictors({ model: info, fingerprint }, shape, options));
  }
  return file;
}

/** A llama of 1.1 billion parameters in a K-quant, which synthetic shapes do not come in: noise. */
export function kQuantModel() {
  const path = join(FOLDER, 'noise-1.1b-Q4_K.gguf');
  if (!existsSync(path)) {
    mkdirSync(FOLDER, { recursive: true });
    const shape = { dModel: 2048, nFf: 5632, layers: 22, heads: 32, kvHeads: 4 };
    writeSynthLlama(`${path}.part`, { type: 'Q4_K', ...shape });
    renameSync(`${path}.part`, path);
  }
  return path;
}

/** A model of F16 weights with these re-coded as BF16. @param {string} source @returns the file */
export function bf16Model(source) {
  const path = join(FOLDER, `${basename(source, '.gguf')}-BF16.gguf`);
  if (!existsSync(path)) {
    mkdirSync(FOLDER, { recursive: true });
    process.stderr.write(`writing ${path}\n`);
    quantizeGguf(source, `${path}.part`, 'BF16');
    renameSync(`${path}.part`, path);
  }
  return path;
}

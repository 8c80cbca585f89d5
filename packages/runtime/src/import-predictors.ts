import { PipelineError, type PredictorSet } from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { inspectModel } from '@thermocline/engine-native';
import {
  type ImportPredictorsOptions,
  importPredictors as importFor,
} from '@thermocline/predictor';
import { readFfnNorms } from './ffn-norms.js';

/** As for `importPredictors` of `@thermocline/predictor`; the model's file says the rest. */
export type ImportForModelOptions = Omit<
  ImportPredictorsOptions,
  'model' | 'fingerprint' | 'norms'
>;

/**
 * Makes a predictor set for a model of what PowerInfer publishes (see `importPredictors` of
 * `@thermocline/predictor`). Its predictors read the hidden state before the norm of the FFN; the
 * weights of that norm are read from the model and become part of the set.
 *
 * @param paths - a folder or files `model_N.pt`, or GGUF files
 * @param modelPath - a GGUF file or a Hugging Face folder; `undefined`: the demo model
 * @throws PipelineError as `importPredictors` and `inspectModel`
 *
 * @example
 * const set = await importPredictors(['ReluLLaMA-7B-Predictor'], 'relu-llama-7b.gguf');
 * await writePredictorSet('relu-llama-7b.predictors.safetensors', set);
 */
export async function importPredictors(
  paths: readonly string[],
  modelPath?: string,
  options: ImportForModelOptions = {},
): Promise<PredictorSet> {
  const path = modelPath ?? demoModelPath();
  const inspection = await inspectModel(path);
  const { info, fingerprint, modelProblem } = inspection;
  if (info === null) {
    const reason = modelProblem ?? 'it holds a vocabulary only';
    throw new PipelineError('MODEL_UNSUPPORTED', `${path}: ${reason}`, { path, reason });
  }
  const norms = options.reads === 'ffn-input' ? {} : { norms: await readFfnNorms(inspection) };
  return importFor(paths, { ...options, ...norms, model: info, fingerprint });
}

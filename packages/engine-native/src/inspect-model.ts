import type { ModelInfo } from '@thermocline/contracts';
import { native, type RawInspection } from './binding.js';
import { checkPath } from './check-arguments.js';
import { describeInspected } from './model-info.js';
import { settle } from './native-call.js';

/**
 * What a model file says of itself. `model` and `vocabulary` are null where this release does not
 * understand them; `modelProblem` and `vocabularyProblem` say why.
 */
export interface ModelInspection extends RawInspection {
  /** As an engine would describe it; null together with `model`. */
  info: ModelInfo | null;
}

/**
 * Describes a model without loading it: keys, tensors, hyper-parameters, vocabulary. Models that
 * cannot be run here, and files with nothing but a vocabulary, are described too.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`,
 * `INVALID_ARGUMENT`, `NATIVE_BINARY_MISSING`
 *
 * @example
 * const { tensors } = await inspectModel(demoModelPath());
 * console.log(tensors.length);
 */
export async function inspectModel(path: string): Promise<ModelInspection> {
  checkPath(path);
  const inspection = await settle(() => native().inspectFile(path), { path });
  return { ...inspection, info: describeInspected(inspection) };
}

import { type ModelInfo, PipelineError } from '@thermocline/contracts';
import { inspectModel } from '@thermocline/runtime';

/**
 * What the header of a model file says, without a look at its weights.
 *
 * @throws PipelineError `MODEL_UNSUPPORTED` with the reason where its shape is not understood
 */
export async function describeModel(
  path: string,
): Promise<{ model: ModelInfo; fingerprint: string }> {
  const { info, fingerprint, modelProblem } = await inspectModel(path);
  if (info !== null) return { model: info, fingerprint };
  const reason = modelProblem ?? 'it holds a vocabulary only';
  throw new PipelineError('MODEL_UNSUPPORTED', `${path}: ${reason}`, { path, reason });
}

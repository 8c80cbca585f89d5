import { PipelineError } from '@thermocline/contracts';

/** A file that contradicts itself, or holds what is not accepted. */
export { corrupt as damaged } from '@thermocline/contracts';

/** A sound file of another kind than is read. */
export function otherFormat(
  path: string,
  expected: string,
  found: string,
  remedy: string,
): PipelineError<'ARTIFACT_FORMAT'> {
  const message = `${path}: this is ${found}, not ${expected}. ${remedy}.`;
  return new PipelineError('ARTIFACT_FORMAT', message, { path, expected, found });
}

/** Arrays of another model than they are to be used for. */
export function otherModel(
  path: string,
  expected: string,
  found: string,
): PipelineError<'ARTIFACT_MODEL_MISMATCH'> {
  const message = `${path}: the model has ${expected}, the file has ${found}. Name the model this was made with; layers count from 0.`;
  return new PipelineError('ARTIFACT_MODEL_MISMATCH', message, { path, expected, found });
}

import { isPipelineError, PipelineError } from '@thermocline/contracts';

/** What the system said about a file, as one of our codes; our own errors pass unchanged. */
export function fileError(path: string, error: unknown): PipelineError {
  if (isPipelineError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  const options = { cause: error };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const said = `${path}: there is no such file.`;
    return new PipelineError('FILE_NOT_FOUND', said, { path }, options);
  }
  const details = { path, reason: message };
  return new PipelineError('IO_ERROR', `${path}: ${message}`, details, options);
}

import { isPipelineError, PipelineError } from './errors.js';

/** An artifact that contradicts itself; the message names the file, the place and the way out. */
export function corrupt(
  path: string,
  reason: string,
  remedy = 'Make the file again; it may be damaged or cut short',
): PipelineError<'ARTIFACT_CORRUPT'> {
  return new PipelineError('ARTIFACT_CORRUPT', `${path}: ${reason}. ${remedy}.`, { path, reason });
}

/** What the system said about a file, as one of our codes; our own errors pass unchanged. */
export function fileError(path: string, error: unknown): PipelineError {
  if (isPipelineError(error)) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new PipelineError(
      'FILE_NOT_FOUND',
      `${path}: there is no such file.`,
      { path },
      {
        cause: error,
      },
    );
  }
  return new PipelineError(
    'IO_ERROR',
    `${path}: ${message}`,
    { path, reason: message },
    {
      cause: error,
    },
  );
}

import { PipelineError } from '@thermocline/contracts';

/** A corpus file that cannot be read as such. `place` is a line, a byte or an element. */
export function corpusError(
  path: string,
  reason: string,
  { place, remedy }: { place?: string; remedy: string },
): PipelineError<'CORPUS_INVALID'> {
  const where = place === undefined ? path : `${path}, ${place}`;
  const details = { path, reason, ...(place !== undefined && { place }) };
  return new PipelineError('CORPUS_INVALID', `${where}: ${reason}. ${remedy}.`, details);
}

/** A file that is no longer what was hashed. */
export function changedError(path: string): PipelineError<'IO_ERROR'> {
  const reason = 'the file changed while it was in use';
  return new PipelineError('IO_ERROR', `${path}: ${reason}. Leave it alone and start again.`, {
    path,
    reason,
  });
}

/** Ends what is under way when the caller's signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const reason = 'reading the corpus was stopped';
  throw new PipelineError('ABORTED', `${reason}.`, { reason }, { cause: signal.reason });
}

import { PipelineError } from '@thermocline/contracts';

/** @throws PipelineError `ABORTED` once the signal has fired */
export function requireNotAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  const reason = 'stopped before it was done';
  throw new PipelineError('ABORTED', `${reason}.`, { reason });
}

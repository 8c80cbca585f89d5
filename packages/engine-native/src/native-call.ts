import { PipelineError } from '@thermocline/contracts';
import { type NativeCall, native } from './binding.js';
import { type ErrorContext, toPipelineError } from './native-error.js';

/**
 * Waits for a call of the addon. The signal ends it early; what goes wrong becomes a
 * `PipelineError`.
 */
export async function settle<T>(
  start: () => NativeCall<T>,
  context: ErrorContext = {},
): Promise<T> {
  const { signal } = context;
  throwIfAborted(signal);
  try {
    const { id, promise } = start();
    return await endWith(signal, id, promise);
  } catch (error) {
    throw toPipelineError(error, context);
  }
}

/** Cancels call `id` when the signal fires before `promise` settles. */
export async function endWith<T>(
  signal: AbortSignal | undefined,
  id: number,
  promise: Promise<T>,
): Promise<T> {
  if (signal === undefined) return promise;
  const cancel = () => native().cancel(id);
  if (signal.aborted) cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    return await promise;
  } finally {
    signal.removeEventListener('abort', cancel);
  }
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortedError(signal);
}

export function abortedError(signal: AbortSignal): PipelineError<'ABORTED'> {
  const reason = 'the call was aborted';
  return new PipelineError('ABORTED', reason, { reason }, { cause: signal.reason });
}

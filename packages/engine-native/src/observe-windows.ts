import {
  type ObservationBatch,
  type ObserveOptions,
  STREAMS,
  type TokenWindow,
} from '@thermocline/contracts';
import { native, type ObservationHandle, type SessionHandle } from './binding.js';
import {
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  invalidArgument,
} from './check-arguments.js';
import { abortedError, settle, throwIfAborted } from './native-call.js';
import type { NativeEngine } from './native-engine.js';
import { handleOf } from './native-session.js';
import { checkWindow, iterateWindows } from './windows.js';

const DEFAULT_MAX_ROWS = 4096;
const MAX_ROWS = 2 ** 31 - 1;

/** Reads windows one after another while the rows they make are taken out at the other end. */
export async function* observeWindows(
  engine: NativeEngine,
  windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
  options: ObserveOptions,
): AsyncGenerator<ObservationBatch, undefined> {
  const { layers, streams, maxRows, signal } = checkObserveOptions(engine, options);
  const iterator = iterateWindows(windows);
  throwIfAborted(signal);
  await using session = await engine.createSession();
  const reader = handleOf(session, engine) as SessionHandle;
  const observation = native().startObservation(layers, streams, maxRows);
  const abort = new AbortController();
  const stop = () => {
    abort.abort();
    native().cancelObservation(observation);
  };
  signal?.addEventListener('abort', stop, { once: true });

  const feeding = feed(iterator, observation, reader, abort.signal);
  try {
    while (true) {
      const batch = await settle(() => native().nextObservation(observation));
      if (batch === null) break;
      yield batch;
    }
    throwIfAborted(signal);
    const failure = await feeding;
    if (failure) throw failure.error;
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
    await feeding;
  }
}

/** Feeds the reader until the windows end or `left` fires; what went wrong, if anything did. */
async function feed(
  iterator: AsyncIterator<TokenWindow> | Iterator<TokenWindow>,
  observation: ObservationHandle,
  reader: SessionHandle,
  left: AbortSignal,
): Promise<{ error: unknown } | undefined> {
  // Windows that never come must not hold up a caller who has left.
  const leaving = new Promise<never>((_, reject) => {
    left.addEventListener('abort', () => reject(abortedError(left)), { once: true });
  });
  leaving.catch(() => {});
  try {
    while (true) {
      const { value, done } = await Promise.race([iterator.next(), leaving]);
      if (done) return undefined;
      const { tokens, document, position } = checkWindow(value);
      if (tokens.length === 0) continue;
      await settle(() => native().observeWindow(observation, reader, tokens, document, position), {
        argument: 'window.tokens',
        signal: left,
      });
    }
  } catch (error) {
    void iterator.return?.();
    return { error };
  } finally {
    native().finishObservation(observation);
  }
}

function checkObserveOptions(engine: NativeEngine, options: ObserveOptions) {
  checkOptions(options);
  const { layers = [], streams, maxBufferedRows = DEFAULT_MAX_ROWS } = options;
  if (!Array.isArray(layers)) throw invalidArgument('layers', 'must be an array of layer numbers');
  if (!Array.isArray(streams) || streams.length === 0) {
    throw invalidArgument('streams', `must be an array of some of ${STREAMS.join(', ')}`);
  }
  const last = engine.info.model.layers - 1;
  return {
    layers: Int32Array.from(layers as readonly number[], (layer, i) =>
      checkInteger(layer, `layers[${i}]`, 0, last),
    ),
    streams: streams.map((stream, i) => checkOneOf(stream, `streams[${i}]`, STREAMS)),
    maxRows: checkInteger(maxBufferedRows, 'maxBufferedRows', 1, MAX_ROWS),
    signal: checkSignal(options.signal),
  };
}

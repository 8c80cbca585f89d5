import type { ActivationSums, TokenWindow } from '@thermocline/contracts';
import { type EngineHandle, native, type SessionHandle } from './binding.js';
import { checkOptions, checkSignal } from './check-arguments.js';
import { settle, throwIfAborted } from './native-call.js';
import type { NativeEngine } from './native-engine.js';
import { handleOf } from './native-session.js';
import { checkWindow, iterateWindows } from './windows.js';

/** Reads windows one after another and adds up what their neurons did, in the core. */
export async function sumWindows(
  engine: NativeEngine,
  engineHandle: EngineHandle,
  windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
  options: { signal?: AbortSignal },
): Promise<ActivationSums> {
  checkOptions(options);
  const signal = checkSignal(options.signal);
  const iterator = iterateWindows(windows);
  throwIfAborted(signal);
  await using session = await engine.createSession();
  const reader = handleOf(session, engine) as SessionHandle;
  const sum = native().startSum(engineHandle);
  const each = { [Symbol.asyncIterator]: () => iterator as AsyncIterator<TokenWindow> };
  for await (const window of each) {
    const { tokens } = checkWindow(window);
    if (tokens.length === 0) continue;
    await settle(() => native().sumWindow(sum, reader, tokens), {
      argument: 'window.tokens',
      signal,
    });
  }
  throwIfAborted(signal);
  return native().sumResult(sum);
}

import type { ActivationSums, SumOptions, TokenWindow } from '@thermocline/contracts';
import { type EngineHandle, native, type SessionHandle } from './binding.js';
import { checkInteger, checkOptions, checkSignal, invalidArgument } from './check-arguments.js';
import { settle, throwIfAborted } from './native-call.js';
import type { NativeEngine } from './native-engine.js';
import { handleOf } from './native-session.js';
import { checkWindow, iterateWindows } from './windows.js';

const MAX_UINT32 = 2 ** 32 - 1;

/** Reads windows one after another and adds up what their neurons did, in the core. */
export async function sumWindows(
  engine: NativeEngine,
  engineHandle: EngineHandle,
  windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
  options: SumOptions,
): Promise<ActivationSums> {
  const { thresholds, salt, signal } = checkSumOptions(engine, options);
  const iterator = iterateWindows(windows);
  throwIfAborted(signal);
  await using session = await engine.createSession();
  const reader = handleOf(session, engine) as SessionHandle;
  const sum = native().startSum(engineHandle, thresholds, salt);
  const each = { [Symbol.asyncIterator]: () => iterator as AsyncIterator<TokenWindow> };
  for await (const window of each) {
    const { tokens, document, position } = checkWindow(window);
    if (tokens.length === 0) continue;
    await settle(() => native().sumWindow(sum, reader, tokens, document, position), {
      argument: 'window.tokens',
      path: engine.info.path,
      signal,
    });
  }
  return await settle(() => native().sumResult(sum), { path: engine.info.path, signal });
}

function checkSumOptions(engine: NativeEngine, options: SumOptions) {
  checkOptions(options);
  const { sketch } = options;
  if (sketch !== undefined && (typeof sketch !== 'object' || sketch === null)) {
    throw invalidArgument('sketch', 'must be an object with a salt');
  }
  return {
    thresholds: checkThresholds(options.thresholds, engine.info.model.layers),
    salt: sketch === undefined ? null : checkInteger(sketch.salt, 'sketch.salt', 0, MAX_UINT32),
    signal: checkSignal(options.signal),
  };
}

/** One for each layer as the core takes them; none where they were left out. */
function checkThresholds(thresholds: SumOptions['thresholds'], layers: number): Float64Array {
  if (thresholds === undefined) return new Float64Array();
  if (!Array.isArray(thresholds) || thresholds.length !== layers) {
    throw invalidArgument(
      'thresholds',
      `must be an array of ${layers} numbers, one for each layer`,
    );
  }
  return Float64Array.from(thresholds as readonly unknown[], (threshold, layer) => {
    if (typeof threshold !== 'number' || !Number.isFinite(threshold) || threshold < 0) {
      throw invalidArgument(`thresholds[${layer}]`, 'must be a finite number of 0 or more');
    }
    return threshold;
  });
}

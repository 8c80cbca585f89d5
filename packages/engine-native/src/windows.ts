import type { TokenWindow } from '@thermocline/contracts';
import { checkInteger, checkTokens, invalidArgument } from './check-arguments.js';

const MAX_UINT32 = 2 ** 32 - 1;

/** A window as the core takes it. */
export interface CheckedWindow {
  tokens: Int32Array;
  document: number;
  position: number;
}

/** The windows one by one, whichever kind of iterable they come in. */
export function iterateWindows(
  windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
): AsyncIterator<TokenWindow> | Iterator<TokenWindow> {
  if (typeof windows === 'object' && windows !== null) {
    if (Symbol.asyncIterator in windows) return windows[Symbol.asyncIterator]();
    if (Symbol.iterator in windows) return windows[Symbol.iterator]();
  }
  throw invalidArgument('windows', 'must be an iterable or async iterable of token windows');
}

export function checkWindow(window: TokenWindow): CheckedWindow {
  if (typeof window !== 'object' || window === null) {
    throw invalidArgument('windows', 'must hold objects with tokens, document and position');
  }
  const tokens = checkTokens(window.tokens, 'window.tokens');
  const last = MAX_UINT32 - tokens.length;
  return {
    tokens,
    document: checkInteger(window.document, 'window.document', 0, MAX_UINT32),
    position: checkInteger(window.position, 'window.position', 0, last),
  };
}

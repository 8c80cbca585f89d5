import { checkWhole } from '@thermocline/contracts';
import type { Corpus } from './corpus.js';
import { type CorpusWindow, domainWindows, type Tokenizes } from './domain-windows.js';

/** Longest window unless asked otherwise, tokens. */
const DEFAULT_CONTEXT = 512;

export interface CutOptions {
  /** Longest window, tokens; default 512, or the model's context where that is shorter. */
  context?: number;
  /** How many tokens to take in all; default: all there are. */
  tokens?: number;
}

/**
 * Cuts a corpus into the windows that a model reads, each from an empty context. Texts are
 * tokenized as documents (with BOS where the model wants it), ids are taken as they are; every
 * document is cut anew from its beginning.
 *
 * A budget is shared equally among the domains; what one lacks goes to the others, and the last
 * windows are shortened so that it is met exactly. The domain that has had the fewest tokens comes
 * next, so any first part of the windows holds all domains alike. Which windows come, and their
 * numbers, depend on nothing but the corpus, the tokenizer and these options.
 *
 * @throws PipelineError `INVALID_ARGUMENT`, `CORPUS_INVALID` for ids outside the vocabulary; and
 * what the corpus throws
 *
 * @example
 * for await (const window of cutWindows(engine, corpus, { tokens: 8_192 })) {
 *   console.log(window.index, window.tokens.length);
 * }
 */
export async function* cutWindows(
  source: Tokenizes,
  corpus: Corpus,
  options: CutOptions = {},
): AsyncGenerator<CorpusWindow, undefined> {
  const context = windowLength(source, options.context);
  const budget = checkWhole('tokens', options.tokens ?? Number.POSITIVE_INFINITY, 1);
  const readers = corpus.domains.map((_, domain) => domainWindows(source, corpus, domain, context));
  const taken = readers.map(() => 0);
  try {
    // The next window of each domain; `undefined` once it has no more.
    const heads: (Omit<CorpusWindow, 'index'> | undefined)[] = [];
    for (const reader of readers) heads.push((await reader.next()).value);
    for (let index = 0; ; index++) {
      const room = roomOf(budget, taken, heads);
      const domain = nextDomain(taken, heads, room);
      const head = heads[domain];
      if (head === undefined) return;
      const tokens = head.tokens.subarray(0, room[domain]);
      yield { ...head, tokens, index };
      taken[domain] = (taken[domain] as number) + tokens.length;
      const whole = tokens.length === head.tokens.length;
      if (whole) heads[domain] = (await readers[domain]?.next())?.value;
    }
  } finally {
    for (const reader of readers) await reader.return(undefined);
  }
}

/** The length of windows for a model. */
export function windowLength({ model }: Tokenizes, context: number | undefined): number {
  const length = context ?? Math.min(DEFAULT_CONTEXT, model.context);
  return checkWhole('context', length, 1, model.context);
}

/** How many more tokens each domain may give: equal shares of what the exhausted ones leave. */
function roomOf(budget: number, taken: readonly number[], heads: readonly unknown[]): number[] {
  if (budget === Number.POSITIVE_INFINITY) return taken.map(() => budget);
  let [left, live] = [budget, 0];
  for (const [domain, head] of heads.entries()) {
    if (head === undefined) left -= taken[domain] as number;
    else live++;
  }
  const share = Math.floor(left / live);
  let odd = left % live;
  return taken.map((had, domain) => {
    if (heads[domain] === undefined) return 0;
    return share + (odd-- > 0 ? 1 : 0) - had;
  });
}

/**
 * The domain behind most, of those whose next window fits; windows that must be shortened come
 * last, when no domain can run out any more and the shares are final. −1: none.
 */
function nextDomain(
  taken: readonly number[],
  heads: readonly (Omit<CorpusWindow, 'index'> | undefined)[],
  room: readonly number[],
): number {
  const least = (fits: (length: number, room: number) => boolean) => {
    let best = -1;
    for (const [domain, head] of heads.entries()) {
      if (head === undefined || !fits(head.tokens.length, room[domain] as number)) continue;
      if (best < 0 || (taken[domain] as number) < (taken[best] as number)) best = domain;
    }
    return best;
  };
  const whole = least((length, left) => length <= left);
  return whole >= 0 ? whole : least((_, left) => left > 0);
}

import type { ScoredTextOptions } from '@thermocline/runtime';

/** The text an evaluation reads. */
export interface Passage extends ScoredTextOptions {
  path: string;
  /** A text, or token ids. */
  source: string | Int32Array;
  signal: AbortSignal;
}

/** What the runtime takes of it. */
export function scoredText({ tokens, context, signal }: Passage) {
  return {
    signal,
    ...(tokens !== undefined && { tokens }),
    ...(context !== undefined && { context }),
  };
}

import { formatCount } from '../format.js';

/** On fewer tokens than these a perplexity differs from one text to the next by more than predictors cost. */
const ENOUGH_TOKENS = 1000;

/**
 * What a person should know of the text that a loss was measured on.
 *
 * @param used - tokens
 * @param asked - with `--test-tokens`
 * @param named - the text was named with `--test`; else it is what training held out
 */
export function measurementNotes(
  used: number,
  asked: number | undefined,
  named: boolean,
): string[] {
  const text = named ? 'the text of --test' : 'what was held out';
  const remedy = named ? 'name a longer one' : 'read more (--tokens) or name a text (--test)';
  const notes: string[] = [];
  if (asked !== undefined && used < asked) {
    notes.push(
      `--test-tokens asks for ${formatCount(asked)}: ${text} has ${formatCount(used)}, and all are used`,
    );
  }
  if (used < ENOUGH_TOKENS) {
    notes.push(
      `the loss was measured on ${formatCount(used)} tokens only and is rough; ${asked === used ? 'give more --test-tokens' : remedy}`,
    );
  }
  return notes;
}

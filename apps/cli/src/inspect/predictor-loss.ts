import { signedPercent } from '../evaluation/comparison-rows.js';
import { formatCount, formatShare } from '../format.js';
import type { predictorsJson } from './predictor-json.js';

type SetJson = ReturnType<typeof predictorsJson>;

export const LOSS_HEAD = [
  'mode',
  'recall by value',
  'sparsity',
  'perplexity',
  'change',
  'dense',
  'tokens',
];

/** What was measured of a set: a row for each place where it was run. */
export function lossRows({ measured, made_for: made }: SetJson): string[][] {
  return measured.map((loss) => {
    const asMade = loss.recall === null && loss.sparsity === null;
    const at = asMade ? made : loss;
    const share = (value: number | null | undefined) =>
      value == null ? '' : `${asMade ? 'as made, ' : ''}${formatShare(value)}`;
    return [
      loss.mode,
      asMade && made === null ? 'as made' : share(at?.recall),
      share(at?.sparsity),
      loss.perplexity.toFixed(4),
      signedPercent(loss.perplexity_change),
      loss.dense_perplexity.toFixed(4),
      formatCount(loss.tokens),
    ];
  });
}

import type { ChoiceEvaluation, Estimate } from '@thermocline/runtime';
import { formatCount, formatRate, formatShare, plural } from '../format.js';
import { lossLine } from '../loss-line.js';
import { table } from '../table.js';
import { colors, errorColors, note, print } from '../terminal.js';

/** Accuracies of the modes as a table on stdout, and how they came about on stderr. */
export function showChoices(result: ChoiceEvaluation): void {
  const { scores, chance } = result;
  const compared = scores.length > 1;
  const mutual = scores.some(({ accuracyMutual }) => accuracyMutual !== null);
  const reference = scores[0]?.mode ?? '';
  const head = [
    'mode',
    'acc',
    'acc_norm',
    ...(mutual ? ['acc_mutual_info'] : []),
    ...(compared ? [`as ${reference}`, 'acc, difference', 'acc_norm, difference'] : []),
  ];
  const rows = scores.map(({ mode, accuracy, accuracyNorm, accuracyMutual, comparison }) => [
    mode,
    percent(accuracy),
    percent(accuracyNorm),
    ...(mutual ? [accuracyMutual ? percent(accuracyMutual) : '–'] : []),
    ...(compared
      ? [
          comparison ? formatShare(comparison.agreement) : '–',
          comparison ? points(comparison.difference) : '–',
          comparison ? points(comparison.differenceNorm) : '–',
        ]
      : []),
  ]);
  const right = head.map((_, i) => i).slice(1);
  print(table(rows, { head: head.map((text) => colors.dim(text)), right }));
  for (const { loss } of scores) if (loss) note(lossLine(loss));
  const { tokens, timeMs } = scores.reduce(
    (sum, { stats }) => ({ tokens: sum.tokens + stats.tokens, timeMs: sum.timeMs + stats.timeMs }),
    { tokens: 0, timeMs: 0 },
  );
  note(
    errorColors.dim(
      [
        plural(result.tasks, 'task'),
        `${formatShare(chance)} by chance`,
        `contexts of up to ${formatCount(result.context)} tokens, ${result.bos ? 'with' : 'without'} BOS`,
        '± one standard error',
        formatRate((tokens / timeMs) * 1000, 'tokens/s'),
      ].join(' · '),
    ),
  );
}

function percent({ mean, standardError }: Estimate): string {
  const spread = standardError === null ? '' : ` ± ${(100 * standardError).toFixed(1)}`;
  return `${(100 * mean).toFixed(1)} %${spread}`;
}

/** A difference, in percentage points. */
function points({ mean, standardError }: Estimate): string {
  const spread = standardError === null ? '' : ` ± ${(100 * standardError).toFixed(1)}`;
  return `${mean > 0 ? '+' : ''}${(100 * mean).toFixed(1)}${spread}`;
}

/** What is said of contexts that were too long. */
export function truncationNotice({ truncated, context }: ChoiceEvaluation): string {
  return `${plural(truncated, 'task')} did not fit ${formatCount(context)} tokens; their contexts were cut on the left.`;
}

import type { BenchmarkComparison, Comparison } from '@thermocline/bench';
import { plural } from '../format.js';
import { contenderName, formatNumber } from './cells.js';

const SIGNS = { faster: '▲', slower: '▼', same: '=', unclear: '?', missing: '–' } as const;

/** Two runs as rows, one for each figure of each case. */
export function compareRows({ comparisons }: BenchmarkComparison): {
  head: string[];
  rows: string[][];
} {
  const head = ['model', 'engine', 'case', 'measure', 'before', 'after', 'change', 'verdict'];
  const rows = comparisons.map((one) => [
    one.model,
    contenderName({ engine: one.engine, mode: one.mode as 'dense' }),
    describeCase(one),
    `${one.measure} tok/s`,
    formatNumber(one.before),
    formatNumber(one.after),
    change(one),
    `${SIGNS[one.verdict]} ${one.verdict}${one.note === null ? '' : `: ${one.note}`}`,
  ]);
  return { head, rows };
}

/** One sentence of all verdicts. */
export function compareSummary(comparison: BenchmarkComparison): string {
  const { comparisons, threshold, confidence } = comparison;
  const parts = (['slower', 'missing', 'faster', 'same', 'unclear'] as const).flatMap((verdict) => {
    const count = comparisons.filter((one) => one.verdict === verdict).length;
    return count > 0 ? [`${count} ${verdict}`] : [];
  });
  const bounds = `threshold ${percent(threshold)}, intervals of ${percent(confidence)} confidence`;
  return `${plural(comparisons.length, 'figure')}: ${parts.join(', ')} (${bounds}).`;
}

/** What to do about verdicts that say nothing. */
export const UNCLEAR_ADVICE =
  'Unclear: the interval reaches over the threshold. More rounds (--rounds) or a quieter machine make it narrower.';

function describeCase({ threads, batch, context, busy_cores }: Comparison): string {
  const parts = threads === null ? [] : [plural(threads, 'thread')];
  if (batch > 1) parts.push(`batch ${batch}`);
  if (context > 0) parts.push(`context ${context}`);
  if (busy_cores > 0) parts.push(`${busy_cores} busy`);
  return parts.join(', ');
}

function change({ ratio, interval }: Comparison): string {
  if (ratio === null) return '';
  const [low, high] = interval ?? [];
  const signed = (value: number) => `${value >= 1 ? '+' : '−'}${percent(Math.abs(value - 1))}`;
  if (low === undefined || high === undefined) return signed(ratio);
  return `${signed(ratio)} (${signed(low)} … ${signed(high)})`;
}

function percent(share: number): string {
  return `${Number((share * 100).toFixed(1))} %`;
}

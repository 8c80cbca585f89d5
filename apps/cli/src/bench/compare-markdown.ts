import type { BenchmarkComparison } from '@thermocline/bench';
import { oneLine } from '../terminal.js';
import { compareRows, compareSummary, UNCLEAR_ADVICE } from './compare-rows.js';

/** The comparison as Markdown, for pull requests and the summaries of CI. */
export function compareMarkdown(comparison: BenchmarkComparison): string {
  const { head, rows } = compareRows(comparison);
  const unclear = comparison.comparisons.some(({ verdict }) => verdict === 'unclear');
  const bad = comparison.failed > 0;
  return [
    `### ${bad ? '❌' : '✅'} Benchmark: ${compareSummary(comparison)}`,
    '',
    ...comparison.warnings.map((line) => `> **Note:** ${escapeMarkdown(line)}\n`),
    markdownTable(head, rows),
    ...(unclear ? ['', UNCLEAR_ADVICE] : []),
  ].join('\n');
}

function markdownTable(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(escapeMarkdown).join(' | ')} |`;
  return [line(head), `|${head.map(() => ' --- |').join('')}`, ...rows.map(line)].join('\n');
}

/** Names of files stay text: neither markup nor the end of a cell. */
function escapeMarkdown(text: string): string {
  return oneLine(text, 400).replace(/[\\|<>`*_[\]]/g, '\\$&');
}

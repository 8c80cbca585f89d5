import type { BenchmarkComparison } from '@thermocline/bench';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';
import { compareRows, compareSummary, UNCLEAR_ADVICE } from './compare-rows.js';

/** The comparison for a terminal. */
export function compareLines(comparison: BenchmarkComparison): string[] {
  const { head, rows } = compareRows(comparison);
  const cells = rows.map((row) => row.map((cell) => oneLine(cell, 120)));
  const unclear = comparison.comparisons.some(({ verdict }) => verdict === 'unclear');
  return [
    table(cells, { head, right: [4, 5, 6] }),
    '',
    ...comparison.warnings.map((line) => `  ${colors.yellow(oneLine(line, 400))}`),
    ...(unclear ? [colors.dim(`  ${UNCLEAR_ADVICE}`)] : []),
    `  ${colors.bold(compareSummary(comparison))}`,
  ];
}

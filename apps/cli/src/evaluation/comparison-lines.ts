import type { PredictorSet } from '@thermocline/contracts';
import type { ModeComparison, ModeEvaluation, ModeScore } from '@thermocline/runtime';
import { table } from '../table.js';
import { figureRows, layerRows, type Rows } from './comparison-rows.js';

/**
 * What a lossy mode costs, in one line.
 *
 * @example
 * costLine(evaluation, dense); // predicted: perplexity 8.09, 0.8 % above dense (8.03 on the same text)
 */
export function costLine(
  { mode, perplexity, perplexityChange }: ModeEvaluation,
  dense: ModeScore,
): string {
  const percent = `${Math.abs(100 * perplexityChange).toFixed(2)} %`;
  const where = perplexityChange < 0 ? 'below' : 'above';
  return (
    `${mode}: perplexity ${perplexity.toFixed(3)}, ${percent} ${where} dense ` +
    `(${dense.perplexity.toFixed(3)} on the same text)`
  );
}

/** Every figure, a column for each mode. */
export function figureTable(comparison: ModeComparison): string {
  return drawn(figureRows(comparison), 1);
}

/** The figures of every layer and of all of them. */
export function layerTable(evaluation: ModeEvaluation, set: PredictorSet | null): string {
  return drawn(layerRows(evaluation, set), 0);
}

/** Figures to the right, from a column on. */
function drawn({ head, rows }: Rows, from: number): string {
  return table(rows, { head, right: head.flatMap((_, i) => (i < from ? [] : [i])) });
}

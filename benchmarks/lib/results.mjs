import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeMachine, machineName } from './machine.mjs';

const FOLDER = join(import.meta.dirname ?? '.', '..', 'results');

/**
 * Writes rows to `results/<machine>/<scenario>.csv`, and what machine that was beside them.
 *
 * @param {string} scenario
 * @param {readonly Record<string, string | number>[]} rows with the same columns
 * @returns {string} the file's path
 */
export function writeResults(scenario, rows) {
  const folder = join(FOLDER, machineName());
  mkdirSync(folder, { recursive: true });
  const columns = Object.keys(rows[0] ?? {});
  const lines = rows.map((row) =>
    columns.map((column) => quote(format(row[column] ?? ''))).join(','),
  );
  const path = join(folder, `${scenario}.csv`);
  writeFileSync(path, `${[columns.join(','), ...lines].join('\n')}\n`);
  writeFileSync(join(folder, 'machine.json'), `${JSON.stringify(describeMachine(), null, 2)}\n`);
  return path;
}

/**
 * Prints rows as a table on stdout.
 *
 * @param {readonly Record<string, string | number>[]} rows
 */
export function printTable(rows) {
  const columns = Object.keys(rows[0] ?? {});
  const cells = [columns, ...rows.map((row) => columns.map((column) => format(row[column] ?? '')))];
  const widths = columns.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  for (const row of cells)
    console.log(row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join('  '));
}

/** @param {string | number} value */
function format(value) {
  return typeof value === 'number' ? String(Number(value.toPrecision(5))) : value;
}

/** A cell of a CSV file (RFC 4180). @param {string} cell */
function quote(cell) {
  return /[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}

/** A weighted variable. */
export type Term = readonly [weight: number, variable: string];

/** A mixed-integer linear program under construction; variables are ≥ 0. */
export interface LinearProgram {
  sense: 'minimize' | 'maximize';
  objective: Term[];
  rows: { terms: Term[]; relation: '<=' | '>=' | '='; value: number }[];
  binaries: string[];
}

const TERMS_PER_LINE = 8;

/** Writes a program in CPLEX LP format. */
export function writeLinearProgram(program: LinearProgram): string {
  const rows = program.rows.map(
    ({ terms, relation, value }, index) => ` r${index}: ${sumOf(terms)} ${relation} ${value}`,
  );
  return [
    program.sense === 'minimize' ? 'Minimize' : 'Maximize',
    ` cost: ${sumOf(program.objective)}`,
    'Subject To',
    ...rows,
    'Binary',
    ...program.binaries.map((name) => ` ${name}`),
    'End',
    '',
  ].join('\n');
}

function sumOf(terms: readonly Term[]): string {
  const parts = terms
    .filter(([weight]) => weight !== 0)
    .map(([weight, name], index) => {
      const sign = weight < 0 ? '-' : '+';
      const line = index % TERMS_PER_LINE === TERMS_PER_LINE - 1 ? '\n  ' : '';
      return `${sign} ${Math.abs(weight)} ${name}${line}`;
    });
  return parts.length > 0 ? parts.join(' ') : `0 ${terms[0]?.[1] ?? 'nothing'}`;
}

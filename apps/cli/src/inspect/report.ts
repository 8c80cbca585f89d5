import type { ArtifactOrigin, ModelInfo } from '@thermocline/contracts';
import { formatCount } from '../format.js';
import { table } from '../table.js';
import { colors, oneLine } from '../terminal.js';

/** What there is to say of a file: for programs and for people. */
export interface Report {
  json: Record<string, unknown>;
  lines: string[];
}

export interface ReportOptions {
  /** Lists everything, however long. */
  all: boolean;
}

const SHOWN = 24;

export function heading(title: string): string {
  return colors.bold(title);
}

/** The first rows of a long table, and how many more there are. */
export function shorten<T>(
  rows: readonly T[],
  { all }: ReportOptions,
  draw: (rows: T[]) => string,
) {
  const shown = all ? [...rows] : rows.slice(0, SHOWN);
  const more = rows.length - shown.length;
  return [draw(shown), ...(more > 0 ? [colors.dim(`  … ${more} more: --all lists them`)] : [])];
}

/** The shape of a model: the part of a `ModelInfo` that fits on a line. */
export type Shape = Pick<
  ModelInfo,
  | 'arch'
  | 'layers'
  | 'd_model'
  | 'n_ff'
  | 'activation'
  | 'experts'
  | 'heads'
  | 'kv_heads'
  | 'vocab'
  | 'context'
  | 'synthetic'
>;

/** What a model is, on one line. */
export function describeShape(model: Shape): string {
  const neurons = [...new Set(model.n_ff)].map(formatCount).join(' or ');
  const experts = model.experts > 1 ? ` of ${model.experts} experts` : '';
  // Whoever sees figures of such a model has to know.
  const synthetic = model.synthetic ? 'synthetic weights, text is noise; ' : '';
  return (
    `${synthetic}${oneLine(model.arch)}: ${model.layers} layers, width ${formatCount(model.d_model)}, ` +
    `${neurons} ${oneLine(model.activation)} neurons a layer${experts}, ` +
    `${model.heads} heads (${model.kv_heads} for keys), vocabulary ${formatCount(model.vocab)}, ` +
    `context ${formatCount(model.context)}`
  );
}

/** Model, fingerprint and history: the part all artifacts share. */
export function originReport({ fingerprint, model, corpora, madeBy }: ArtifactOrigin): Report {
  const rows = [
    ['model', describeShape(model)],
    ['fingerprint', fingerprint],
    ...corpora.map(({ name, tokens }) => [
      'corpus',
      `${oneLine(name)}, ${formatCount(tokens)} tokens`,
    ]),
    ...(madeBy ? [['made by', oneLine(`${madeBy.tool} ${madeBy.version}`)]] : []),
  ];
  return {
    json: { fingerprint, model, corpora, made_by: madeBy ?? null },
    lines: [table(rows)],
  };
}

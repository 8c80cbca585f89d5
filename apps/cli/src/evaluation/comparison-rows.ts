import type { PredictorSet } from '@thermocline/contracts';
import type {
  ModeComparison,
  ModeEvaluation,
  ModeScore,
  NeuronFigures,
} from '@thermocline/runtime';
import { formatRate } from '../format.js';
import { rankOf } from './rank-of.js';

/** A table for a terminal or a page. */
export interface Rows {
  head: string[];
  rows: string[][];
}

type Row = [name: string, of: (mode: ModeEvaluation) => string | null, dense?: string];

/** Every figure, a column for each mode; rows that no mode has a figure for are left out. */
export function figureRows({ dense, modes }: ModeComparison): Rows {
  const speed = (score: ModeScore) =>
    score.decode && formatRate(score.decode.tokensPerSecond, 'tokens/s');
  const base = dense.decode?.tokensPerSecond;
  const rows: Row[] = [
    ['perplexity', (mode) => mode.perplexity.toFixed(4), dense.perplexity.toFixed(4)],
    ['  against dense', ({ perplexityChange: by }) => signedPercent(by)],
    ['  nats a token', (mode) => nllChange(mode)],
    ['next token as dense', ({ agreement }) => percent(agreement)],
    ['divergence from dense (nats)', (mode) => mode.divergence.toFixed(5)],
    ['neurons that do not fire', ({ whole }) => percent(whole.trueSparsity)],
    ['neurons not computed', ({ whole }) => percent(whole.predictedSparsity)],
    ['recall by value', ({ whole }) => percent(whole.recallValue)],
    ['recall by count', ({ whole }) => percent(whole.recallCount)],
    ['over-prediction', ({ whole }) => times(whole.overPrediction)],
    ['predictors: of the parameters', ({ whole }) => percent(whole.predictor.parameters)],
    ['  of the bytes read', ({ whole }) => percent(whole.predictor.bytes)],
    ['  of the time', ({ whole }) => percent(whole.predictor.time)],
    ['decoding', (mode) => speed(mode), speed(dense) ?? ''],
    [
      '  against dense',
      ({ decode }) => (decode && base ? times(decode.tokensPerSecond / base) : null),
    ],
  ];
  const shown = rows
    .map(([name, of, ofDense = '']) => ({ name, ofDense, cells: modes.map(of) }))
    .filter(({ ofDense, cells }) => ofDense !== '' || cells.some((cell) => cell !== null));
  return {
    head: ['', 'dense', ...modes.map(({ mode }) => mode)],
    rows: shown.map(({ name, ofDense, cells }) => [
      name,
      ofDense,
      ...cells.map((cell) => cell ?? ''),
    ]),
  };
}

/** The figures of every layer and of all of them; columns without any are left out. */
export function layerRows({ layers, whole }: ModeEvaluation, set: PredictorSet | null): Rows {
  const rows = layers.map((layer, index) => {
    const predictor = set?.layers[index];
    const rank = rankOf(predictor);
    return [
      String(index),
      predictor?.kind ?? '',
      rank === null ? '' : String(rank),
      ...figures(layer),
    ];
  });
  return withoutEmptyColumns({
    head: LAYER_HEAD,
    rows: [...rows, ['all', '', '', ...figures(whole)]],
  });
}

const LAYER_HEAD = [
  'layer',
  'kind',
  'rank',
  'do not fire',
  'not computed',
  'recall by value',
  'by count',
  'over-prediction',
  'parameters',
  'bytes',
  'time',
];

function withoutEmptyColumns({ head, rows }: Rows): Rows {
  const filled = (column: number) => rows.some((row) => row[column] !== '');
  const keep = (row: string[]) => row.filter((_, column) => filled(column));
  return { head: keep(head), rows: rows.map(keep) };
}

function figures({ predictor, ...of }: NeuronFigures): string[] {
  return [
    percent(of.trueSparsity),
    percent(of.predictedSparsity),
    percent(of.recallValue),
    percent(of.recallCount),
    times(of.overPrediction),
    percent(predictor.parameters),
    percent(predictor.bytes),
    percent(predictor.time),
  ].map((cell) => cell ?? '');
}

function nllChange({ nllChange: { mean, standardError } }: ModeEvaluation): string {
  const change = `${sign(mean)}${Math.abs(mean).toFixed(4)}`;
  return standardError === null ? change : `${change} ± ${standardError.toFixed(4)}`;
}

function percent(share: number | null): string | null {
  return share === null ? null : `${(100 * share).toFixed(1)} %`;
}

function times(factor: number | null): string | null {
  return factor === null ? null : `${factor.toFixed(2)}×`;
}

/** A change as a share of what was, with its sign. */
export function signedPercent(share: number): string {
  return `${sign(share)}${Math.abs(100 * share).toFixed(2)} %`;
}

function sign(value: number): string {
  return value < 0 ? '−' : '+';
}

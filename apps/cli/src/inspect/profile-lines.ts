import type { ActivationProfile } from '@thermocline/contracts';
import type { FiringCurve, FiringSummary, PairOverlap, ProfileSummary } from '@thermocline/runtime';

import { bar, sparkline } from '../bars.js';
import { formatCount, formatShare } from '../format.js';
import { table } from '../table.js';
import { type colors, oneLine } from '../terminal.js';
import { type ReportOptions, shorten } from './report.js';
import { describeShards, shardRuns } from './shard-runs.js';

type Colors = typeof colors;

const COLUMNS = 24;
const BAR = 20;

/** What a profile shows, for a terminal: layers, whole model, kinds of text. */
export function profileLines(
  { shards = [] }: ActivationProfile,
  summary: ProfileSummary,
  colors: Colors,
  { all = false }: Partial<ReportOptions> = {},
): string[] {
  return [
    layerTable(summary, colors),
    '',
    ...modelLines(summary.model),
    ...magnitudeLines(summary, colors, { all }),
    ...domainLines(summary, colors),
    ...shardRuns(shards).map((run) => colors.yellow(`  part of a run: ${describeShards(run)}`)),
  ];
}

function layerTable({ layers, model }: ProfileSummary, colors: Colors): string {
  const thresholds = layers.some(({ threshold }) => threshold !== undefined);
  const row = (name: string, one: FiringSummary, threshold: number | undefined) => [
    name,
    formatCount(one.neurons),
    formatCount(one.tokens),
    formatShare(one.activeRatio),
    formatShare(one.neuronsFor80Percent),
    colors.cyan(bar(one.neuronsFor80Percent ?? 0, BAR)),
    formatCount(one.neverFired),
    ...(thresholds ? [threshold?.toPrecision(3) ?? ''] : []),
    colors.cyan(sparkline(columnMeans(one.curve, COLUMNS))),
  ];
  const rows = layers.map((layer, index) => row(String(index), layer, layer.threshold));
  const head = ['layer', 'neurons', 'tokens', 'fire', 'for 80 %', '', 'never'];
  if (thresholds) head.push('|h| >');
  return table([...rows, row('all', model, undefined)], {
    head: [...head, 'firing, hottest first'],
    right: [0, 1, 2, 3, 4, 6, ...(thresholds ? [7] : [])],
  });
}

function modelLines({ neuronsFor80Percent, neurons, gini, curve }: FiringSummary): string[] {
  if (neuronsFor80Percent === null) return ['  No neuron fired.'];
  const rates = [0.01, 0.1, 0.5, 0.9].map((share) => formatRate(rateAt(curve, share)));
  return [
    `  ${formatShare(neuronsFor80Percent)} of all ${formatCount(neurons)} neurons make 80 % of the firings (Gini ${gini?.toFixed(2)}).`,
    `  Firing rates: 1 % of the neurons fire on ${rates[0]} of the tokens or more, 10 % on ${rates[1]}, half on ${rates[2]}, 90 % on ${rates[3]}.`,
  ];
}

function magnitudeLines(
  { layers }: ProfileSummary,
  colors: Colors,
  options: ReportOptions,
): string[] {
  const known = layers.flatMap(({ magnitudes }, layer) =>
    magnitudes && magnitudes.quantiles.length > 0 ? [{ layer, ...magnitudes }] : [],
  );
  const first = known[0];
  if (first === undefined) return [];
  const head = [
    'layer',
    ...first.quantiles.map(({ share }) => `${Math.round(share * 100)} %`),
    'zero',
  ];
  const rows = known.map(({ layer, quantiles, zeroRatio }) => [
    String(layer),
    ...quantiles.map(({ value }) => formatMagnitude(value)),
    formatShare(zeroRatio),
  ]);
  return [
    '',
    colors.dim('  Magnitudes |h| that are not zero, below which … lie (± 4.4 %)'),
    ...shorten(rows, options, (shown) =>
      table(shown, { head, right: head.map((_, column) => column) }),
    ),
  ];
}

function domainLines({ domains: all }: ProfileSummary, colors: Colors): string[] {
  if (!all) return [];
  const { domains, top20Percent, tenthOfTokens } = all;
  const kinds = domains.map(({ name, tokens, activeRatio }) => [
    oneLine(name, 30),
    formatCount(tokens),
    formatShare(activeRatio),
  ]);
  const rows = top20Percent.model.map((pair, index) => [
    `${oneLine(pair.a, 24)} · ${oneLine(pair.b, 24)}`,
    ...pairCells(pair),
    layerRange(top20Percent.layers, index),
    ...pairCells(tenthOfTokens.model[index] as PairOverlap),
  ]);
  return [
    '',
    table(kinds, { head: ['kind of text', 'tokens', 'fire'], right: [1, 2] }),
    '',
    colors.dim('  Hot neurons two kinds of text have in common'),
    table(rows, {
      head: ['', 'top 20 %: Jaccard', 'overlap', 'by layer', '10 % of tokens: Jaccard', 'overlap'],
      right: [1, 2, 3, 4, 5],
    }),
  ];
}

function pairCells({ jaccard, overlap }: PairOverlap): string[] {
  return [jaccard?.toFixed(2) ?? '–', formatShare(overlap)];
}

/** The lowest and the highest Jaccard index of a pair over the layers. */
function layerRange(layers: readonly (readonly PairOverlap[])[], pair: number): string {
  const values = layers.flatMap((pairs) => pairs[pair]?.jaccard ?? []);
  if (values.length === 0) return '–';
  const [low, high] = [
    values.reduce((a, b) => Math.min(a, b)),
    values.reduce((a, b) => Math.max(a, b)),
  ];
  return `${low.toFixed(2)}–${high.toFixed(2)}`;
}

/** The rate of the neuron at a share of the neurons, hottest first. */
function rateAt({ neurons, rates }: FiringCurve, share: number): number {
  return rates[neurons.findIndex((place) => place >= share)] ?? 0;
}

/** How much each of `columns` equal parts of the neurons fires, hottest first. */
function columnMeans(curve: FiringCurve, columns: number): number[] {
  return Array.from(
    { length: columns },
    (_, column) =>
      firingsUpTo(curve, (column + 1) / columns) - firingsUpTo(curve, column / columns),
  );
}

/** Share of the firings that a share of the neurons makes; straight between the points. */
function firingsUpTo({ neurons, firings }: FiringCurve, share: number): number {
  const after = neurons.findIndex((place) => place >= share);
  if (after < 0) return 1;
  const [x1, y1] = [neurons[after] as number, firings[after] as number];
  const [x0, y0] =
    after > 0 ? [neurons[after - 1] as number, firings[after - 1] as number] : [0, 0];
  return y0 + ((share - x0) / (x1 - x0)) * (y1 - y0);
}

function formatRate(rate: number): string {
  return `${Number((rate * 100).toPrecision(2))} %`;
}

function formatMagnitude(value: number): string {
  return value < 0.001 ? value.toExponential(1) : String(Number(value.toPrecision(2)));
}

import { type LayerActivations, readActivationProfile } from '@thermocline/contracts';
import { sparkline } from '../bars.js';
import { formatCount, formatShare } from '../format.js';
import { table } from '../table.js';
import { colors } from '../terminal.js';
import { heading, originReport, type Report } from './report.js';

const COLUMNS = 32;

/** An activation profile: per layer how many neurons fire, and how unequal they are. */
export async function inspectProfile(path: string): Promise<Report> {
  const profile = await readActivationProfile(path);
  const origin = originReport(profile);
  const layers = profile.layers.map(summarize);
  const rows = layers.map((layer, index) => [
    String(index),
    formatCount(layer.neurons),
    formatCount(layer.tokens),
    formatShare(layer.active_ratio),
    formatShare(layer.neurons_for_80_percent),
    String(layer.never_fired),
    colors.cyan(sparkline(layer.curve)),
  ]);
  return {
    json: { ...origin.json, layers: layers.map(({ curve, ...layer }) => layer) },
    lines: [
      heading('activation profile'),
      ...origin.lines,
      '',
      table(rows, {
        head: ['layer', 'neurons', 'tokens', 'fire', 'for 80 %', 'never', 'firing, hottest first'],
        right: [0, 1, 2, 3, 4, 5],
      }),
      '',
      colors.dim('"for 80 %": share of the neurons that carry 80 % of all firings.'),
    ],
  };
}

function summarize({ fires, tokens }: LayerActivations) {
  const counts = Array.from(fires, Number).sort((a, b) => b - a);
  const total = counts.reduce((sum, count) => sum + count, 0);
  return {
    neurons: counts.length,
    tokens,
    active_ratio: tokens > 0 ? total / (tokens * counts.length) : null,
    neurons_for_80_percent: total > 0 ? countFor(counts, 0.8 * total) / counts.length : null,
    never_fired: counts.filter((count) => count === 0).length,
    curve: resample(counts, COLUMNS),
  };
}

/** How many of the highest counts it takes to reach a sum. */
function countFor(counts: readonly number[], sum: number): number {
  let reached = 0;
  let taken = 0;
  while (reached < sum && taken < counts.length) reached += counts[taken++] ?? 0;
  return taken;
}

/** The mean of each of `columns` equal parts. */
function resample(values: readonly number[], columns: number): number[] {
  const count = Math.min(columns, values.length);
  return Array.from({ length: count }, (_, column) => {
    const start = Math.floor((column * values.length) / count);
    const part = values.slice(start, Math.floor(((column + 1) * values.length) / count));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}

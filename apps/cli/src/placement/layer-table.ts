import { TIERS, type Tier } from '@thermocline/contracts';
import { formatCount } from '../format.js';
import { table } from '../table.js';
import { tierBar, tierLegend } from './tier-bar.js';

/**
 * Where the neurons of each layer live, in numbers and as bars.
 *
 * @param shorten - decides how many rows are drawn
 */
export function layerTable(
  layers: readonly Record<Tier, number>[],
  shorten: (rows: string[][], draw: (rows: string[][]) => string) => string[],
): string[] {
  const rows = layers.map((layer, index) => [
    String(index),
    ...TIERS.map((tier) => formatCount(layer[tier])),
    tierBar(layer),
  ]);
  const head = ['layer', ...TIERS, 'where the neurons live'];
  return [...shorten(rows, (shown) => table(shown, { head, right: [0, 1, 2, 3] })), tierLegend()];
}

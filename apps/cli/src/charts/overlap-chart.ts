import type { HotSetOverlap, PairOverlap } from '@thermocline/runtime';
import { oneLine } from '../terminal.js';
import { axis, type Canvas, draw } from './canvas.js';
import { layerTicks } from './over-depth.js';
import { heat } from './theme.js';

/** More rows than these are no picture any more; the least alike pairs are shown. */
export const MOST_PAIRS = 45;

interface Cell {
  x: string | number;
  y: string;
  share: number;
  title: string;
}

/** Every domain against every other, over the whole model. */
export function overlapMatrix(
  canvas: Canvas,
  names: readonly string[],
  pairs: readonly PairOverlap[],
): string {
  const cells = names.flatMap((x) =>
    names.flatMap((y): Cell[] => {
      if (x === y) return [{ x, y, share: 1, title: x }];
      const pair = pairs.find(({ a, b }) => (a === x && b === y) || (a === y && b === x));
      const share = pair?.jaccard ?? null;
      return share === null ? [] : [{ x, y, share, title: describe(x, y, pair as PairOverlap) }];
    }),
  );
  const { Plot } = canvas;
  const { room, tickFormat } = labels(canvas, names);
  return draw(canvas, {
    marginLeft: room,
    marginBottom: Math.max(20, room * 0.75),
    x: { label: null, domain: [...names], tickFormat, tickRotate: -40, tickSize: 0, padding: 0.04 },
    y: { label: null, domain: [...names], tickFormat, tickSize: 0, padding: 0.04 },
    marks: [cellMark(Plot, cells), ...(names.length <= 12 ? [valueMark(Plot, cells)] : [])],
  });
}

/** How alike each pair is in each layer. */
export function overlapByLayer(canvas: Canvas, { layers }: HotSetOverlap): string {
  const { Plot, theme } = canvas;
  const chosen = leastAlike(layers);
  const names = chosen.map((index) => pairName(layers[0]?.[index] as PairOverlap));
  const cells = layers.flatMap((pairs, x) =>
    chosen.flatMap((index, row): Cell[] => {
      const pair = pairs[index] as PairOverlap;
      const y = names[row] as string;
      if (pair.jaccard === null) return [];
      return [
        { x, y, share: pair.jaccard, title: `layer ${x}, ${describe(pair.a, pair.b, pair)}` },
      ];
    }),
  );
  const { room, tickFormat } = labels(canvas, names);
  const rowHeight = theme.fontSize * 2;
  const height = names.length * rowHeight + theme.fontSize * 5;
  const sized = { ...canvas, height };
  const svg = draw(sized, {
    marginTop: theme.fontSize * 1.6,
    marginLeft: room,
    x: axis('layer', {
      type: 'band' as const,
      domain: layers.map((_, layer) => layer),
      ticks: layerTicks(layers.length),
      tickSize: 0,
      padding: layers.length > 40 ? 0 : 0.04,
    }),
    y: { label: null, domain: names, tickFormat, tickSize: 0, padding: 0.06 },
    marks: [cellMark(Plot, cells), ...(layers.length <= 16 ? [valueMark(Plot, cells)] : [])],
  });
  return withScale(svg, sized);
}

function cellMark(Plot: Canvas['Plot'], cells: readonly Cell[]) {
  const fill = ({ share }: Cell) => heat(share).fill;
  return Plot.cell([...cells], { x: 'x', y: 'y', fill, title: 'title' });
}

function valueMark(Plot: Canvas['Plot'], cells: readonly Cell[]) {
  return Plot.text([...cells], {
    x: 'x',
    y: 'y',
    text: ({ share }: Cell) => share.toFixed(2),
    fill: ({ share }: Cell) => heat(share).ink,
    pointerEvents: 'none',
  });
}

/** Indices of the pairs with the least in common, averaged over layers; all where they are few. */
function leastAlike(layers: readonly (readonly PairOverlap[])[]): number[] {
  const mean = (index: number) =>
    layers.reduce((sum, pairs) => sum + (pairs[index]?.jaccard ?? 0), 0) / layers.length;
  const all = (layers[0] ?? []).map((_, index) => index);
  if (all.length <= MOST_PAIRS) return all;
  return all.sort((i, j) => mean(i) - mean(j)).slice(0, MOST_PAIRS);
}

function describe(a: string, b: string, { jaccard, overlap }: PairOverlap): string {
  return `${a} and ${b}: Jaccard ${jaccard?.toFixed(3)}, overlap ${overlap?.toFixed(3)}`;
}

function pairName({ a, b }: PairOverlap): string {
  return `${a} · ${b}`;
}

/** Room for names beside a chart, a third of it at most, and how to shorten those that are longer. */
function labels({ width, theme }: Canvas, names: readonly string[]) {
  const letter = theme.fontSize * 0.6;
  const longest = names.reduce((most, { length }) => Math.max(most, length), 0);
  const room = Math.min(width / 3, longest * letter + 14);
  const letters = Math.floor((room - 10) / letter);
  return { room, tickFormat: (name: string) => oneLine(name, letters) };
}

/** The scale of colours, at the upper right of a chart. */
function withScale(svg: string, { width, theme }: Canvas): string {
  const size = theme.fontSize;
  const begin = width - 14 - size * 9;
  const swatches = Array.from({ length: 11 }, (_, i) => {
    const { fill } = heat(i / 10);
    return `<rect x="${begin + i * size * 0.7}" y="2" width="${size * 0.7}" height="${size * 0.8}" fill="${fill}"/>`;
  });
  const text = (x: number, words: string, anchor: string) =>
    `<text x="${x}" y="${size * 0.75 + 1}" text-anchor="${anchor}" fill="${theme.ink}">${words}</text>`;
  const scale = [
    text(begin - 4, '0', 'end'),
    ...swatches,
    text(begin + size * 7.7 + 4, '1', 'start'),
  ];
  return svg.replace(/<\/svg>$/, `${scale.join('')}</svg>`);
}

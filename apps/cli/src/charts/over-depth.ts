import type { DotOptions } from '@observablehq/plot';
import { axis, type Canvas, draw } from './canvas.js';

/** A figure of every layer; `null` where a layer has none. */
export interface DepthSeries {
  /** As the legend has it. */
  name: string;
  values: readonly (number | null)[];
  /** What is said of a layer when one points at it. */
  describe: (value: number, layer: number) => string;
}

export interface DepthAxis {
  label: string;
  domain: [number, number];
  /** A value to compare with, drawn as a line across. */
  mark?: number;
}

/** Lines from the first layer to the last; at most three, told apart in grey too. */
export function overDepth(canvas: Canvas, y: DepthAxis, series: readonly DepthSeries[]): string {
  const { Plot, theme } = canvas;
  const layers = Math.max(...series.map(({ values }) => values.length));
  return draw(canvas, {
    marginTop: theme.fontSize * 2.4,
    x: axis('layer', {
      domain: [0, Math.max(1, layers - 1)],
      ticks: layerTicks(layers),
      tickFormat: 'd',
      inset: 8,
    }),
    y: axis(y.label, { domain: y.domain, grid: true, nice: true }),
    marks: [
      ...(y.mark === undefined
        ? []
        : [Plot.ruleY([y.mark], { stroke: theme.faint, strokeDasharray: '2,3' })]),
      ...series.flatMap((one, index) => lineOf(canvas, one, index, layers)),
      ...legend(
        canvas,
        series.map(({ name }) => name),
      ),
    ],
  });
}

function lineOf(canvas: Canvas, { values, describe }: DepthSeries, index: number, layers: number) {
  const { Plot, theme } = canvas;
  // A layer without a figure breaks the line.
  const places = values.map((value, layer) => ({ layer, value: value ?? Number.NaN }));
  const points = places.filter(({ value }) => !Number.isNaN(value));
  const { color, dash, dot } = look(canvas, index);
  // Dots of a hundred layers would hide the line.
  const r = Math.min(theme.fontSize / 3, 72 / Math.max(layers, 1));
  const channels = { x: 'layer', y: 'value' };
  return [
    Plot.line(places, { ...channels, stroke: color, strokeWidth: 1.6, ...dash }),
    Plot.dot(points, {
      ...channels,
      ...dot,
      r,
      title: ({ layer, value }: { layer: number; value: number }) =>
        `layer ${layer}: ${describe(value, layer)}`,
    }),
  ];
}

interface Look {
  color: string;
  dash: { strokeDasharray?: string };
  dot: DotOptions;
}

function look({ theme }: Canvas, index: number): Look {
  const color = theme.depth([3, 8, 5][index] ?? 0, 10);
  if (index === 0) return { color, dash: {}, dot: { fill: color } };
  const symbol = index === 1 ? 'square' : 'triangle';
  const strokeDasharray = index === 1 ? '5,3' : '1,3';
  return {
    color,
    dash: { strokeDasharray },
    dot: { symbol, fill: theme.background, stroke: color },
  };
}

/** A dot above the chart for each line, and what it stands for. */
function legend(canvas: Canvas, names: readonly string[]) {
  const { Plot, theme } = canvas;
  const at = { frameAnchor: 'top-left' as const, dy: -theme.fontSize * 1.3 };
  let place = 0.8 * theme.fontSize;
  return names.flatMap((name, index) => {
    const dx = place;
    // Letters are about half as wide as they are high.
    place += theme.fontSize * (0.58 * name.length + 2.6);
    return [
      Plot.dot([0], { ...at, ...look(canvas, index).dot, dx, r: theme.fontSize / 3 }),
      Plot.text([name], { ...at, dx: dx + theme.fontSize, lineAnchor: 'middle', fill: theme.ink }),
    ];
  });
}

/** Every layer, or every second, fifth, tenth …, so that about ten are named. */
export function layerTicks(layers: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((size) => layers / size <= 12) ?? 200;
  return Array.from({ length: Math.ceil(layers / step) }, (_, i) => i * step);
}

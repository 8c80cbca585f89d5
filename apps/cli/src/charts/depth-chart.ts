import type { DotOptions } from '@observablehq/plot';
import type { ProfileSummary } from '@thermocline/runtime';
import { axis, type Canvas, draw } from './canvas.js';
import { percent } from './lines.js';

/** Sparsity and concentration from the first layer to the last. */
export function depthChart(canvas: Canvas, { layers }: ProfileSummary): string {
  const { Plot, theme } = canvas;
  const sparsity = layers.flatMap(({ activeRatio }, layer) =>
    activeRatio === null ? [] : [{ layer, share: 1 - activeRatio }],
  );
  const concentration = layers.flatMap(({ neuronsFor80Percent: share }, layer) =>
    share === null ? [] : [{ layer, share }],
  );
  const channels = { x: 'layer', y: ({ share }: { share: number }) => share * 100 };
  // Dots of a hundred layers would hide the line.
  const r = Math.min(theme.fontSize / 3, 72 / Math.max(layers.length, 1));
  const colors = { sparsity: theme.depth(3, 10), concentration: theme.depth(8, 10) };
  return draw(canvas, {
    marginTop: theme.fontSize * 2.4,
    x: axis('layer', {
      domain: [0, Math.max(1, layers.length - 1)],
      ticks: layerTicks(layers.length),
      tickFormat: 'd',
      inset: 8,
    }),
    y: axis('share of neurons (%)', { domain: [0, 100], grid: true }),
    marks: [
      Plot.line(sparsity, { ...channels, stroke: colors.sparsity, strokeWidth: 1.6 }),
      Plot.dot(sparsity, {
        ...channels,
        r,
        fill: colors.sparsity,
        title: ({ layer, share }) => `layer ${layer}: ${percent(share)} do not fire on a token`,
      }),
      Plot.line(concentration, {
        ...channels,
        stroke: colors.concentration,
        strokeWidth: 1.6,
        strokeDasharray: '5,3',
      }),
      Plot.dot(concentration, {
        ...channels,
        r,
        symbol: 'square',
        fill: theme.background,
        stroke: colors.concentration,
        title: ({ layer, share }) => `layer ${layer}: ${percent(share)} make 80 % of the firings`,
      }),
      ...legend(canvas, 0, 'do not fire', { fill: colors.sparsity }),
      ...legend(canvas, 8, 'make 80 % of the firings', {
        symbol: 'square',
        fill: theme.background,
        stroke: colors.concentration,
      }),
    ],
  });
}

/** A dot above the chart and what it stands for, `place` widths of a letter from the left. */
function legend({ Plot, theme }: Canvas, place: number, text: string, dot: DotOptions) {
  const at = { frameAnchor: 'top-left' as const, dy: -theme.fontSize * 1.3 };
  const dx = (place + 0.8) * theme.fontSize;
  return [
    Plot.dot([0], { ...at, ...dot, dx, r: theme.fontSize / 3 }),
    Plot.text([text], { ...at, dx: dx + theme.fontSize, lineAnchor: 'middle', fill: theme.ink }),
  ];
}

/** Every layer, or every second, fifth, tenth …, so that about ten are named. */
export function layerTicks(layers: number): number[] {
  const step = [1, 2, 5, 10, 20, 50, 100].find((size) => layers / size <= 12) ?? 200;
  return Array.from({ length: Math.ceil(layers / step) }, (_, i) => i * step);
}

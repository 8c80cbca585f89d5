import { axis, type Canvas, draw } from './canvas.js';
import { layerTicks } from './over-depth.js';
import type { PredictorLayer } from './predictor-charts.js';

/** The width of every layer's predictor, as bars; a layer without one says what it has instead. */
export function widthChart(canvas: Canvas, layers: readonly PredictorLayer[]): string {
  const { Plot, theme } = canvas;
  const bars = layers.flatMap(({ kind, rank }, layer) =>
    rank === null ? [] : [{ layer, rank, kind }],
  );
  const others = layers.flatMap(({ kind, rank }, layer) =>
    rank === null ? [{ layer, kind }] : [],
  );
  const half = 0.36;
  return draw(canvas, {
    x: axis('layer', {
      domain: [-0.5, layers.length - 0.5],
      ticks: layerTicks(layers.length),
      tickFormat: 'd',
    }),
    y: axis('hidden units', { grid: true, nice: true }),
    marks: [
      Plot.rectY(bars, {
        x1: ({ layer }: { layer: number }) => layer - half,
        x2: ({ layer }: { layer: number }) => layer + half,
        y: 'rank',
        fill: theme.depth(3, 10),
        title: ({ layer, kind, rank }) => `layer ${layer}: ${kind}, ${rank} hidden units`,
      }),
      // Names of many layers would run into each other.
      ...(layers.length > 40
        ? []
        : [
            Plot.text(others, {
              x: 'layer',
              y: 0,
              text: 'kind',
              rotate: layers.length > 8 ? -90 : 0,
              textAnchor: layers.length > 8 ? 'start' : 'middle',
              dy: layers.length > 8 ? -2 : -theme.fontSize * 0.8,
              fill: theme.faint,
            }),
          ]),
      Plot.ruleY([0], { stroke: theme.ink }),
    ],
  });
}

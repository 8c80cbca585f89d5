import type { FiringSummary, ProfileSummary } from '@thermocline/runtime';
import type { Canvas } from './canvas.js';
import type { Theme } from './theme.js';

/** A line of a chart and what is said of it. */
export interface Series {
  title: string;
  points: [x: number, y: number][];
}

/** A line per layer, coloured by depth, and a dashed one for the whole model on top of them. */
export function lines(
  { layers, model }: ProfileSummary,
  theme: Theme,
  describe: (summary: FiringSummary, name: string) => Series,
) {
  const perLayer = layers.map((summary, layer) => ({
    ...describe(summary, `layer ${layer}`),
    color: theme.depth(layer, layers.length),
  }));
  const whole = { ...describe(model, 'whole model'), color: theme.ink };
  return ({ Plot }: Canvas) => [
    depthLines(Plot, perLayer, theme.fontSize / 9),
    Plot.line(flatten([whole]), {
      ...CHANNELS,
      strokeWidth: theme.fontSize / 4.5,
      strokeDasharray: '6,3',
    }),
  ];
}

const CHANNELS = { x: 'x', y: 'y', z: 'series', stroke: 'color', title: 'title' };

/** Lines in the colours of their layers. */
export function depthLines(
  Plot: Canvas['Plot'],
  series: readonly (Series & { color: string })[],
  strokeWidth: number,
) {
  return Plot.line(flatten(series), { ...CHANNELS, strokeWidth });
}

function flatten(all: readonly (Series & { color: string })[]) {
  return all.flatMap(({ title, points, color }, series) =>
    points.map(([x, y]) => ({ series, title, color, x, y })),
  );
}

export function percent(share: number | null): string {
  return share === null ? 'none' : `${(share * 100).toFixed(1)} %`;
}

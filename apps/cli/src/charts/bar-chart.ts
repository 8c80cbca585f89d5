import { axis, type Canvas, draw } from './canvas.js';
import type { Theme } from './theme.js';

/** A bar of a chart, and what stands in and behind it. */
export interface Bar {
  /** Bars of a group stand together, under its name. */
  group: string;
  /** Decides the colour. */
  series: string;
  value: number;
  dots: readonly number[];
  tick: number | null;
  text: string;
}

export interface BarAxis {
  label: string;
  /** A value to compare with, drawn as a line. */
  mark?: number;
}

/** Lying bars, in groups; as high as they need. */
export function barChart(canvas: Canvas, { label, mark }: BarAxis, list: readonly Bar[]): string {
  const { Plot, theme } = canvas;
  const rows = list.map((bar, index) => ({ ...bar, row: String(index) }));
  const names = new Map(rows.map(({ row, series }) => [row, series]));
  const groups = [...new Set(rows.map(({ group }) => group))];
  const color = colorOf(theme, [...new Set(rows.map(({ series }) => series))]);
  const line = theme.fontSize * 1.75;
  const titles = groups.length > 1 || groups[0] !== '';
  const height = rows.length * line + (titles ? groups.length * line : 0) + theme.fontSize * 5;
  const most = Math.max(
    mark ?? 0,
    ...rows.flatMap(({ value, dots, tick }) => [value, ...dots, tick ?? 0]),
  );
  // The name of a group takes a row of its own above its bars.
  const places = groups.flatMap((group) => [
    ...(titles ? [`name ${group}`] : []),
    ...rows.filter((one) => one.group === group).map(({ row }) => row),
  ]);
  return draw(
    { ...canvas, height },
    {
      marginLeft:
        theme.fontSize * (1.5 + 0.58 * Math.max(...[...names.values()].map((n) => n.length))),
      x: axis(label, { domain: [0, most * 1.18], grid: true }),
      y: {
        domain: places,
        label: null,
        tickSize: 0,
        tickFormat: (place: string) => names.get(place) ?? '',
      },
      marks: [
        Plot.barX(rows, {
          x: 'value',
          y: 'row',
          fill: ({ series }: Bar) => color(series),
          insetTop: 1,
          insetBottom: 1,
          title: ({ group, series, text }: Bar) =>
            `${[group, series].filter(Boolean).join(', ')}: ${text} ${label}`,
        }),
        Plot.dot(
          rows.flatMap(({ row, dots }) => dots.map((value) => ({ row, value }))),
          {
            x: 'value',
            y: 'row',
            r: theme.fontSize / 5,
            fill: theme.background,
            stroke: theme.ink,
          },
        ),
        Plot.tickX(
          rows.filter(({ tick }) => tick !== null),
          { x: 'tick', y: 'row', stroke: theme.ink, strokeWidth: 1.5 },
        ),
        ...(mark === undefined
          ? []
          : [Plot.ruleX([mark], { stroke: theme.ink, strokeDasharray: '4,3' })]),
        Plot.text(rows, {
          x: ({ value, dots, tick }: Bar) => Math.max(value, tick ?? 0, ...dots),
          y: 'row',
          text: 'text',
          textAnchor: 'start',
          dx: 6,
          fill: theme.ink,
          stroke: theme.background,
          strokeWidth: 3,
        }),
        ...(titles
          ? [
              Plot.text(groups, {
                frameAnchor: 'left',
                y: (group: string) => `name ${group}`,
                text: (group: string) => group,
                textAnchor: 'start',
                lineAnchor: 'bottom',
                dy: theme.fontSize * 0.6,
                fontWeight: 'bold',
                fill: theme.ink,
              }),
            ]
          : []),
      ],
    },
  );
}

/** One colour for each series, even in lightness steps so that grey tells them apart too. */
function colorOf(theme: Theme, names: readonly string[]): (name: string) => string {
  return (name) => theme.depth(names.indexOf(name), Math.max(2, names.length));
}

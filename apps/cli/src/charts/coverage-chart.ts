import type { ProfileSummary } from '@thermocline/runtime';
import { axis, type Canvas, draw } from './canvas.js';
import { lines, percent, type Series } from './lines.js';

/** The paper's Figure 4: what share of the firings the hottest neurons make. */
export function coverageChart(canvas: Canvas, summary: ProfileSummary): string {
  const { Plot, theme } = canvas;
  const series = lines(
    summary,
    theme,
    ({ curve, neuronsFor80Percent }, name): Series => ({
      title: `${name}: ${percent(neuronsFor80Percent)} of the neurons make 80 % of the firings`,
      points: [
        [0, 0],
        ...curve.neurons.map((share, i): [number, number] => [
          share * 100,
          (curve.firings[i] as number) * 100,
        ]),
      ],
    }),
  );
  const share = summary.model.neuronsFor80Percent;
  const marked = share === null ? [] : [[share * 100, 80]];
  return draw(canvas, {
    x: axis('neurons, hottest first (%)', { domain: [0, 100], ticks: [0, 20, 40, 60, 80, 100] }),
    y: axis('firings (%)', { domain: [0, 100], grid: true }),
    marks: [
      Plot.ruleY([80], { stroke: theme.faint, strokeDasharray: '2,3' }),
      ...series(canvas),
      Plot.dot(marked, { fill: theme.ink, r: 3.5 }),
      Plot.text(marked, {
        text: ([x]: number[]) => `${(x as number).toFixed(1)} %`,
        textAnchor: 'start',
        dx: 8,
        dy: theme.fontSize * 1.2,
        fill: theme.ink,
        stroke: theme.background,
        strokeWidth: 3,
        fontWeight: 'bold',
      }),
    ],
  });
}

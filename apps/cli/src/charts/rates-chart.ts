import type { ProfileSummary } from '@thermocline/runtime';
import { axis, type Canvas, decades, draw } from './canvas.js';
import { lines, percent, type Series } from './lines.js';

/** How often neurons fire: the share of them that fires less often than a rate. */
export function ratesChart(canvas: Canvas, summary: ProfileSummary): string {
  const series = lines(
    summary,
    canvas.theme,
    ({ curve, neurons, neverFired }, name): Series => ({
      title: `${name}: ${percent(neverFired / neurons)} of the neurons never fired`,
      points: curve.rates.flatMap((rate, i): [number, number][] =>
        // A logarithmic axis has no place for zero: the line begins above those that never fired.
        rate > 0 ? [[rate * 100, (1 - (curve.neurons[i] as number)) * 100]] : [],
      ),
    }),
  );
  const rates = [summary.model, ...summary.layers].flatMap(({ curve }) => curve.rates);
  const lowest = rates.reduce((least, rate) => (rate > 0 && rate < least ? rate : least), 0.1);
  const domain: [number, number] = [lowest * 80, 100];
  return draw(canvas, {
    x: axis('firing rate (% of tokens)', {
      type: 'log' as const,
      domain,
      ticks: decades(...domain),
      tickFormat: (rate: number) => String(Number(rate.toPrecision(1))),
    }),
    y: axis('neurons that fire less often (%)', { domain: [0, 100], grid: true }),
    marks: series(canvas),
  });
}

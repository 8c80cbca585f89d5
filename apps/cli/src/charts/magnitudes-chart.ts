import { magnitudeBinStart } from '@thermocline/contracts';
import { MAGNITUDE_ERROR, type ProfileSummary } from '@thermocline/runtime';
import { axis, type Canvas, decades, draw } from './canvas.js';
import { depthLines } from './lines.js';

/** How large the activations that are not zero are, layer by layer. */
export function magnitudesChart(canvas: Canvas, { layers }: ProfileSummary): string {
  const { Plot, theme } = canvas;
  const bins = layers.flatMap(({ magnitudes }) =>
    (magnitudes?.density ?? []).flatMap((share, bin) => (share > 1e-4 ? [bin] : [])),
  );
  const first = bins.reduce((a, b) => Math.min(a, b), 255) - 1;
  const last = bins.reduce((a, b) => Math.max(a, b), 0) + 1;
  const series = layers.map(({ magnitudes }, layer) => {
    const { density = [], quantiles = [] } = magnitudes ?? {};
    const median = quantiles.find(({ share }) => share === 0.5)?.value;
    const points = density
      .slice(Math.max(1, first), last + 1)
      .map((share, i): [number, number] => [middle(Math.max(1, first) + i), share * 100]);
    const color = theme.depth(layer, layers.length);
    return { title: `layer ${layer}: median ${median?.toPrecision(2) ?? 'none'}`, points, color };
  });
  const domain: [number, number] = [
    magnitudeBinStart(Math.max(0, first)),
    magnitudeBinStart(Math.min(last, 254) + 1),
  ];
  return draw(canvas, {
    x: axis('|h| of neurons that are not zero', {
      type: 'log' as const,
      domain,
      ticks: decades(...domain),
      tickFormat: (value: number) => String(Number(value.toPrecision(1))),
    }),
    y: axis('share per bin of ⅛ octave (%)', { grid: true, zero: true }),
    marks: [depthLines(Plot, series, theme.fontSize / 9)],
  });
}

function middle(bin: number): number {
  return magnitudeBinStart(bin) * MAGNITUDE_ERROR;
}

import { DEPTH_STEPS, type Theme } from './theme.js';

const HEIGHT = 22;

/** What the colours and dashes of the lines mean, as one row. */
export function depthLegend(theme: Theme, layers: number, width: number): string {
  const { ink, font, fontSize } = theme;
  const text = (x: number, words: string, anchor = 'start') =>
    `<text x="${x}" y="${HEIGHT / 2}" dy="0.35em" text-anchor="${anchor}">${words}</text>`;
  const begin = fontSize * 4.4;
  const step = fontSize * 0.6;
  const end = begin + DEPTH_STEPS * step;
  const steps = Array.from({ length: DEPTH_STEPS }, (_, i) => {
    const fill = theme.depth(i, DEPTH_STEPS);
    return `<rect x="${begin + i * step}" y="7" width="${step + 0.3}" height="8" fill="${fill}"/>`;
  });
  const line = end + fontSize * 3.6;
  return [
    `<svg width="${width}" height="${HEIGHT}" viewBox="0 0 ${width} ${HEIGHT}" fill="${ink}" `,
    `font-family="${font}" font-size="${fontSize}px" role="img" aria-label="legend">`,
    text(begin - 5, 'layer 0', 'end'),
    ...steps,
    text(end + 5, String(layers - 1)),
    `<path d="M${line},11h${fontSize * 3}" stroke="${ink}" stroke-width="${fontSize / 4.5}" stroke-dasharray="6,3"/>`,
    text(line + fontSize * 3.5, 'whole model'),
    '</svg>',
  ].join('');
}

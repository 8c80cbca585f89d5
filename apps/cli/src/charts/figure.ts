import type { Chart } from './chart.js';
import { escapeMarkup } from './escape.js';
import { PAPER } from './theme.js';

// Two columns of a page of letter size: 7 inches of 72 points.
const WIDTH = 504;
const GAP = 14;
const TITLE = 18;
const LEGEND = 24;

/** What a panel of a figure is drawn on. */
export const PANEL = { width: (WIDTH - GAP) / 2, height: 190 };

/** What a figure shows; `legend` draws above the panels in the width it is given. */
export interface Figure {
  about: string;
  legend?: (width: number) => string;
  panels: readonly Chart[];
}

/** One figure for a paper, as an SVG file: black on white, text as text, readable in grey. */
export function drawFigure({ about, legend, panels }: Figure): string {
  let y = legend ? LEGEND : 0;
  const placed: string[] = [];
  let index = 0;
  for (const row of rows(panels)) {
    for (const [column, { svg, title }] of row.entries()) {
      const x = column * (PANEL.width + GAP);
      const letter = String.fromCharCode('a'.charCodeAt(0) + index++);
      const heading = `<tspan font-weight="bold">(${letter})</tspan> ${escapeMarkup(title)}`;
      placed.push(`<text x="${x}" y="${y + 12}">${heading}</text>`, at(svg, x, y + TITLE));
    }
    y += TITLE + Math.max(...row.map(({ svg }) => heightOf(svg))) + GAP;
  }
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}pt" height="${y}pt" viewBox="0 0 ${WIDTH} ${y}" ` +
      `font-family="${PAPER.font}" font-size="${PAPER.fontSize}px" fill="${PAPER.ink}">`,
    `<title>${escapeMarkup(about)}</title>`,
    `<rect width="${WIDTH}" height="${y}" fill="${PAPER.background}"/>`,
    ...(legend ? [legend(WIDTH)] : []),
    ...placed,
    '</svg>',
    '',
  ].join('\n');
}

/** Two panels to a row; a wide one has a row of its own. */
function rows(panels: readonly Chart[]): Chart[][] {
  const result: Chart[][] = [];
  for (const panel of panels) {
    const row = result.at(-1);
    if (row?.length === 1 && !row[0]?.wide && !panel.wide) row.push(panel);
    else result.push([panel]);
  }
  return result;
}

function at(svg: string, x: number, y: number): string {
  return svg.replace('<svg ', `<svg x="${x}" y="${y}" `);
}

function heightOf(svg: string): number {
  return Number(/ height="([\d.]+)"/.exec(svg)?.[1] ?? PANEL.height);
}

import type { ActivationProfile } from '@thermocline/contracts';
import type { ProfileSummary } from '@thermocline/runtime';
import { openCanvas } from './canvas.js';
import { escapeMarkup } from './escape.js';
import { depthLegend } from './legend.js';
import { type Chart, profileCharts } from './profile-charts.js';
import { PAPER } from './theme.js';

// Two columns of a page of letter size: 7 inches of 72 points.
const WIDTH = 504;
const GAP = 14;
const PANEL = { width: (WIDTH - GAP) / 2, height: 190 };
const TITLE = 18;
const LEGEND = 24;

/** One figure for a paper, as an SVG file: black on white, text as text, readable in grey. */
export async function profileFigure(
  { model }: ActivationProfile,
  summary: ProfileSummary,
): Promise<string> {
  const canvas = await openCanvas(PAPER, PANEL.width, PANEL.height);
  const panels = profileCharts(canvas, summary);
  let y = LEGEND;
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
  const about = escapeMarkup(`Activation profile: ${model.arch}, ${model.layers} layers`);
  return [
    `<?xml version="1.0" encoding="UTF-8"?>`,
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}pt" height="${y}pt" viewBox="0 0 ${WIDTH} ${y}" ` +
      `font-family="${PAPER.font}" font-size="${PAPER.fontSize}px" fill="${PAPER.ink}">`,
    `<title>${about}</title>`,
    `<rect width="${WIDTH}" height="${y}" fill="${PAPER.background}"/>`,
    depthLegend(PAPER, model.layers, WIDTH),
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

import type { Chart } from './chart.js';
import { escapeMarkup } from './escape.js';
import { pageStyle } from './page-style.js';

/** What a chart of a page is drawn on. */
export const SCREEN_CHART = { width: 560, height: 360 };

/** What a page shows, from top to bottom. Everything but `title` and `facts` is markup. */
export interface Page {
  heading: string;
  /** Of what it is, for the title of the window. */
  subject?: string | undefined;
  intro: readonly string[];
  /** Large figures and what they are of. */
  facts: readonly (readonly [value: string, what: string])[];
  legend: string;
  charts: readonly Chart[];
  sections: readonly (readonly [heading: string, markup: string])[];
}

const POINT = 'Point at a line, a bar or a dot to read its figures.';
const NOTHING = 'There is nothing to draw: no layer has a figure.';

/** What the window is called, and the figure that shows the same. */
export function pageTitle({ heading, subject }: Pick<Page, 'heading' | 'subject'>): string {
  return subject === undefined ? heading : `${heading}: ${subject}`;
}

/** One page with pictures and figures, which needs no network and no other file. */
export function drawPage({
  heading,
  subject,
  intro,
  facts,
  legend,
  charts,
  sections,
}: Page): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeMarkup(pageTitle({ heading, subject }))}</title>
<style>${pageStyle()}</style>
</head>
<body>
<h1>${escapeMarkup(heading)}</h1>
${intro.map((line) => `<p>${line}</p>`).join('\n')}
<ul class="facts">${facts.map(([value, what]) => `<li><strong>${escapeMarkup(value)}</strong> ${escapeMarkup(what)}</li>`).join('')}</ul>
<div class="legend">${legend}<small>${charts.length > 0 ? POINT : NOTHING}</small></div>
<main>
${charts.map(figure).join('\n')}
</main>
${sections.map(([title, markup]) => `<h2>${escapeMarkup(title)}</h2>\n${markup}`).join('\n')}
</body>
</html>
`;
}

function figure({ title, svg, caption, wide }: Chart): string {
  const heading = escapeMarkup(title);
  const labelled = svg.replace('<svg ', `<svg role="img" aria-label="${heading}" `);
  return `<figure${wide ? ' class="whole"' : ''}><h2>${heading}</h2>${labelled}<figcaption>${escapeMarkup(caption, 400)}</figcaption></figure>`;
}

/** A table; `foot` is the row below the line. */
export function pageTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  foot: readonly string[] | null = null,
): string {
  const row = (cells: readonly string[], tag = 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide" tabindex="0"><table><thead>${row(head, 'th')}</thead>
<tbody>${rows.map((cells) => row(cells)).join('\n')}</tbody>${foot ? `<tfoot>${row(foot)}</tfoot>` : ''}</table></div>`;
}

/** A list whose items are markup. */
export function pageList(items: readonly string[]): string {
  return `<ul>${items.map((item) => `<li>${item}</li>`).join('')}</ul>`;
}

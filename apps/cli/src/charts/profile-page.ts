import type { ActivationProfile } from '@thermocline/contracts';
import type { ProfileSummary } from '@thermocline/runtime';
import { formatCount } from '../format.js';
import { describeShape } from '../inspect/report.js';
import { openCanvas } from './canvas.js';
import { escapeMarkup } from './escape.js';
import { depthLegend } from './legend.js';
import { percent } from './lines.js';
import { pageStyle } from './page-style.js';
import { type Chart, profileCharts } from './profile-charts.js';
import { SCREEN } from './theme.js';

const CHART = { width: 560, height: 360 };

/** One page with every picture and figure, which needs no network and no other file. */
export async function profilePage(
  profile: ActivationProfile,
  summary: ProfileSummary,
): Promise<string> {
  const canvas = await openCanvas(SCREEN, CHART.width, CHART.height);
  const charts = profileCharts(canvas, summary);
  const name = escapeMarkup(profile.model.arch);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Activation profile: ${name}</title>
<style>${pageStyle()}</style>
</head>
<body>
<h1>Activation profile</h1>
<p>${escapeMarkup(describeShape(profile.model))}</p>
${facts(summary)}
<div class="legend">${depthLegend(SCREEN, profile.model.layers, 420)}<small>Point at a line or a dot to read its figures.</small></div>
<main>
${charts.map(figure).join('\n')}
</main>
<h2>Layers</h2>
${layerTable(summary)}
<h2>Where it comes from</h2>
${origin(profile)}
</body>
</html>
`;
}

function facts({ model }: ProfileSummary): string {
  const sparsity = model.activeRatio === null ? null : 1 - model.activeRatio;
  const entries: [string, string][] = [
    [percent(model.neuronsFor80Percent), 'of the neurons make 80 % of the firings'],
    [percent(sparsity), 'of the neurons do not fire on a token'],
    [formatCount(model.neverFired), `of ${formatCount(model.neurons)} neurons never fired`],
    [formatCount(model.tokens), 'tokens read'],
  ];
  const items = entries.map(([value, what]) => `<li><strong>${value}</strong> ${what}</li>`);
  return `<ul class="facts">${items.join('')}</ul>`;
}

function figure({ title, svg, caption, wide }: Chart): string {
  const heading = escapeMarkup(title);
  const labelled = svg.replace('<svg ', `<svg role="img" aria-label="${heading}" `);
  return `<figure${wide ? ' class="whole"' : ''}><h2>${heading}</h2>${labelled}<figcaption>${escapeMarkup(caption)}</figcaption></figure>`;
}

function layerTable({ layers, model }: ProfileSummary): string {
  const quantile = (layer: ProfileSummary['layers'][number], share: number) =>
    layer.magnitudes?.quantiles.find((one) => one.share === share)?.value.toPrecision(2) ?? '';
  const heads = [
    'layer',
    'neurons',
    'tokens',
    'fire',
    'for 80 %',
    'never',
    'Gini',
    'median |h|',
    '99 % |h|',
    'threshold',
  ];
  const rows = layers.map((layer, index) => [
    String(index),
    ...figures(layer),
    quantile(layer, 0.5),
    quantile(layer, 0.99),
    layer.threshold?.toPrecision(3) ?? '',
  ]);
  const foot = ['all', ...figures(model), '', '', ''];
  const row = (cells: readonly string[], tag = 'td') =>
    `<tr>${cells.map((cell) => `<${tag}>${escapeMarkup(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table><thead>${row(heads, 'th')}</thead>
<tbody>${rows.map((cells) => row(cells)).join('\n')}</tbody><tfoot>${row(foot)}</tfoot></table></div>`;
}

function figures(summary: ProfileSummary['model']): string[] {
  return [
    formatCount(summary.neurons),
    formatCount(summary.tokens),
    percent(summary.activeRatio),
    percent(summary.neuronsFor80Percent),
    formatCount(summary.neverFired),
    summary.gini?.toFixed(3) ?? '',
  ];
}

function origin({ fingerprint, corpora, madeBy, shards }: ActivationProfile): string {
  const lines = [
    `Fingerprint of the model: <code>${escapeMarkup(fingerprint)}</code>`,
    ...corpora.map(
      ({ name, tokens, sha256 }) =>
        `${escapeMarkup(name)}: ${formatCount(tokens)} tokens, SHA-256 <code>${sha256.slice(0, 16)}…</code>`,
    ),
    ...(madeBy ? [escapeMarkup(`Made by ${madeBy.tool} ${madeBy.version}`)] : []),
    ...(shards?.length ? [`<strong>Shards are missing: this is a part of a run.</strong>`] : []),
  ];
  return `<ul>${lines.map((line) => `<li>${line}</li>`).join('')}</ul>`;
}

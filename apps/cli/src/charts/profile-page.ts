import type { ActivationProfile } from '@thermocline/contracts';
import type { ProfileSummary } from '@thermocline/runtime';
import { formatCount } from '../format.js';
import { describeShape } from '../inspect/report.js';
import { openCanvas } from './canvas.js';
import { escapeMarkup } from './escape.js';
import { depthLegend } from './legend.js';
import { percent } from './lines.js';
import { drawPage, pageList, pageTable, SCREEN_CHART } from './page.js';
import { originItems } from './page-origin.js';
import { profileCharts } from './profile-charts.js';
import { SCREEN } from './theme.js';

/** The pictures and figures of a profile as one page. */
export async function profilePage(
  profile: ActivationProfile,
  summary: ProfileSummary,
): Promise<string> {
  const canvas = await openCanvas(SCREEN, SCREEN_CHART.width, SCREEN_CHART.height);
  const { model, shards } = profile;
  return drawPage({
    heading: 'Activation profile',
    subject: model.arch,
    intro: [escapeMarkup(describeShape(model))],
    facts: facts(summary),
    legend: depthLegend(SCREEN, model.layers, 420),
    charts: profileCharts(canvas, summary),
    sections: [
      ['Layers', layerTable(summary)],
      [
        'Where it comes from',
        pageList([
          ...originItems(profile),
          ...(shards?.length
            ? ['<strong>Shards are missing: this is a part of a run.</strong>']
            : []),
        ]),
      ],
    ],
  });
}

function facts({ model }: ProfileSummary): [string, string][] {
  const sparsity = model.activeRatio === null ? null : 1 - model.activeRatio;
  return [
    [percent(model.neuronsFor80Percent), 'of the neurons make 80 % of the firings'],
    [percent(sparsity), 'of the neurons do not fire on a token'],
    [formatCount(model.neverFired), `of ${formatCount(model.neurons)} neurons never fired`],
    [formatCount(model.tokens), 'tokens read'],
  ];
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
  return pageTable(heads, rows, foot);
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

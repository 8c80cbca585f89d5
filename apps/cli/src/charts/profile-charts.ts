import type { ProfileSummary } from '@thermocline/runtime';
import type { Canvas } from './canvas.js';
import type { Chart } from './chart.js';
import { coverageChart } from './coverage-chart.js';
import { depthChart } from './depth-chart.js';
import { magnitudesChart } from './magnitudes-chart.js';
import { MOST_PAIRS, overlapByLayer, overlapMatrix } from './overlap-chart.js';
import { ratesChart } from './rates-chart.js';

/** Every picture of a profile that it has the figures for. */
export function profileCharts(canvas: Canvas, summary: ProfileSummary): Chart[] {
  return [
    {
      title: 'How concentrated the firings are',
      svg: coverageChart(canvas, summary),
      caption:
        'Neurons of each layer, sorted by how often they fire, and the share of all firings that they make. ' +
        'The dot is the share that makes 80 % in the whole model, all layers sorted together.',
    },
    {
      title: 'How often neurons fire',
      svg: ratesChart(canvas, summary),
      caption:
        'Share of the neurons that fire on fewer tokens than the rate below. A line begins above the share that never fired.',
    },
    {
      title: 'Sparsity over depth',
      svg: depthChart(canvas, summary),
      caption:
        'Share of the neurons that do not fire on a token, on average, and share that makes 80 % of the firings.',
    },
    ...(summary.layers.some(({ magnitudes }) => magnitudes)
      ? [
          {
            title: 'Size of the activations',
            svg: magnitudesChart(canvas, summary),
            caption: 'Magnitudes |h| of the neurons that are not zero, in bins of ⅛ octave.',
          },
        ]
      : []),
    ...overlapCharts(canvas, summary),
  ];
}

function overlapCharts(canvas: Canvas, { domains: all }: ProfileSummary): Chart[] {
  if (!all) return [];
  const { domains, top20Percent, tenthOfTokens } = all;
  const names = domains.map(({ name }) => name);
  const shortened = (top20Percent.model.length ?? 0) > MOST_PAIRS;
  const jaccard = 'Neurons hot for both kinds of text ÷ neurons hot for either (Jaccard)';
  return [
    {
      title: 'Hot neurons in common: top 20 % (Jaccard)',
      svg: overlapMatrix(canvas, names, top20Percent.model),
      caption: `${jaccard}; hot is the fifth of all neurons that fires most.`,
    },
    {
      title: 'Hot neurons in common: 10 % of tokens (Jaccard)',
      svg: overlapMatrix(canvas, names, tenthOfTokens.model),
      caption: `${jaccard}; hot is what fires on at least a tenth of the tokens.`,
    },
    {
      title: 'Top 20 % in common, by layer (Jaccard)',
      wide: true,
      svg: overlapByLayer({ ...canvas, width: canvas.width * 2.05 }, top20Percent),
      caption: `The same for the hottest fifth of each layer${shortened ? `; the ${MOST_PAIRS} least alike pairs` : ''}.`,
    },
  ];
}

import type { ActivationProfile } from '@thermocline/contracts';
import type { ProfileSummary } from '@thermocline/runtime';
import { openCanvas } from './canvas.js';
import { drawFigure, PANEL } from './figure.js';
import { depthLegend } from './legend.js';
import { profileCharts } from './profile-charts.js';
import { PAPER } from './theme.js';

/** The pictures of a profile as one figure for a paper. */
export async function profileFigure(
  { model }: ActivationProfile,
  summary: ProfileSummary,
): Promise<string> {
  const canvas = await openCanvas(PAPER, PANEL.width, PANEL.height);
  return drawFigure({
    about: `Activation profile: ${model.arch}, ${model.layers} layers`,
    legend: (width) => depthLegend(PAPER, model.layers, width),
    panels: profileCharts(canvas, summary),
  });
}

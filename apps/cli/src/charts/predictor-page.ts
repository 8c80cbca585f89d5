import { openCanvas } from './canvas.js';
import { drawFigure, PANEL } from './figure.js';
import { drawPage, type Page, SCREEN_CHART } from './page.js';
import {
  type PredictorCaptions,
  type PredictorLayer,
  predictorCharts,
} from './predictor-charts.js';
import { PAPER, SCREEN } from './theme.js';

/** Predictors that are drawn, and what a page says around the pictures. */
export interface PredictorPicture extends PredictorCaptions {
  layers: readonly PredictorLayer[];
  page: Omit<Page, 'charts' | 'legend'>;
}

/** Pictures and figures of predictors as one page. */
export async function predictorPage({
  layers,
  page,
  ...captions
}: PredictorPicture): Promise<string> {
  const canvas = await openCanvas(SCREEN, SCREEN_CHART.width, SCREEN_CHART.height);
  return drawPage({ ...page, legend: '', charts: predictorCharts(canvas, layers, captions) });
}

/** The pictures as one figure for a paper. */
export async function predictorFigure({
  layers,
  page,
  ...captions
}: PredictorPicture): Promise<string> {
  const canvas = await openCanvas(PAPER, PANEL.width, PANEL.height);
  return drawFigure({
    about: `${page.heading}: ${page.subject}`,
    panels: predictorCharts(canvas, layers, captions),
  });
}

import { UsageError } from '../usage-error.js';
import { openCanvas } from './canvas.js';
import { drawFigure, PANEL } from './figure.js';
import { drawPage, type Page, pageTitle, SCREEN_CHART } from './page.js';
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

/**
 * The pictures as one figure for a paper.
 *
 * @throws UsageError when there is none
 */
export async function predictorFigure({
  layers,
  page,
  ...captions
}: PredictorPicture): Promise<string> {
  const canvas = await openCanvas(PAPER, PANEL.width, PANEL.height);
  const panels = predictorCharts(canvas, layers, captions);
  if (panels.length === 0) {
    throw new UsageError(
      '--svg: there is nothing to draw, for no layer has a figure: leave it out.',
    );
  }
  return drawFigure({ about: pageTitle(page), panels });
}

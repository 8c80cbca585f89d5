import type { PredictorPicture } from './charts/predictor-page.js';
import type { Pictures } from './picture-files.js';

/** The page and the figure of what is told of predictors; both are loaded when they are drawn. */
export function predictorPictures(picture: () => Promise<PredictorPicture>): Pictures {
  return {
    page: async () => {
      const { predictorPage } = await import('./charts/predictor-page.js');
      return predictorPage(await picture());
    },
    figure: async () => {
      const { predictorFigure } = await import('./charts/predictor-page.js');
      return predictorFigure(await picture());
    },
  };
}

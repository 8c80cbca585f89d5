import { readPredictorSet } from '@thermocline/contracts';
import type { Pictures } from '../picture-files.js';
import { predictorPictures } from '../predictor-pictures.js';
import { predictorsJson } from './predictor-json.js';
import { predictorLines } from './predictor-lines.js';
import { heading, originReport, type Report, type ReportOptions } from './report.js';

/** A predictor set: what each layer's predictor is, how large, and how good it was. */
export async function inspectPredictors(
  path: string,
  options: ReportOptions,
): Promise<Report & { pictures: Pictures }> {
  const set = await readPredictorSet(path);
  const origin = originReport(set);
  return {
    json: { ...origin.json, ...predictorsJson(set) },
    lines: [heading('predictor set'), ...origin.lines, ...predictorLines(set, options)],
    pictures: predictorPictures(async () => {
      const { predictorPicture } = await import('./predictor-picture.js');
      return predictorPicture(set);
    }),
  };
}

import { type PredictorSet, writePredictorSet } from '@thermocline/contracts';
import { predictorsJson } from '../inspect/predictor-json.js';
import { predictorLines } from '../inspect/predictor-lines.js';
import { errorColors, note, print, printJson } from '../terminal.js';

/** Writes a predictor set and shows it: its layers and what they lose, or everything as JSON. */
export async function deliverPredictors(
  path: string,
  set: PredictorSet,
  json: boolean | undefined,
  seconds: number,
): Promise<void> {
  await writePredictorSet(path, set);
  if (json) {
    printJson({ path, seconds, ...predictorsJson(set) });
    return;
  }
  for (const line of predictorLines(set)) print(line);
  note(errorColors.bold(`trained in ${seconds.toFixed(1)} s · written to ${path}`));
}

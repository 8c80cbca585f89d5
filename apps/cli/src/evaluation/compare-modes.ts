import type { Mode } from '@thermocline/contracts';
import { evaluateModes, isLossy, type ModeComparison, type Model } from '@thermocline/runtime';
import { formatCount } from '../format.js';
import { type PicturePaths, writePictures } from '../picture-files.js';
import { predictorPictures } from '../predictor-pictures.js';
import { startProgress } from '../progress.js';
import { errorColors, note, print, printJson } from '../terminal.js';
import { comparisonJson } from './comparison-json.js';
import { costLine, figureTable, layerTable } from './comparison-lines.js';
import { type Passage, scoredText } from './passage.js';

export interface CompareOptions extends PicturePaths {
  /** The one that was asked for; its figures are those of the JSON's top level. */
  mode: Mode;
  /** Those to set beside `dense`. */
  modes: readonly Mode[];
  compare?: boolean;
  layers?: boolean;
  json?: boolean;
}

/** What modes lose against `dense` on the same text. Returns whether it was stopped. */
export async function compareModes(
  model: Model,
  passage: Passage,
  options: CompareOptions,
): Promise<boolean> {
  const comparison = await measure(model, passage, options.modes);
  if (options.json) printJson(comparisonJson(model, comparison, options));
  else show(model, comparison, options);
  const pictures = predictorPictures(async () => {
    const { comparisonPicture } = await import('./comparison-picture.js');
    return comparisonPicture(model, comparison, passage);
  });
  await writePictures(pictures, options);
  return comparison.aborted;
}

async function measure(
  model: Model,
  passage: Passage,
  modes: readonly Mode[],
): Promise<ModeComparison> {
  using progress = await startProgress('Reading');
  return await evaluateModes(model, passage.source, {
    ...scoredText(passage),
    modes,
    onProgress: (done, total) => progress.update(done, total),
  });
}

function show(model: Model, comparison: ModeComparison, options: CompareOptions): void {
  const { dense, modes, tokens, context } = comparison;
  const asked = modes.find(({ mode }) => mode === options.mode);
  if (!options.compare) print(`perplexity ${(asked ?? dense).perplexity.toFixed(4)}`);
  for (const evaluation of modes) {
    if (isLossy(evaluation.mode)) print(costLine(evaluation, dense));
  }
  print();
  print(figureTable(comparison));
  for (const evaluation of options.layers ? modes : []) {
    print();
    print(`${evaluation.mode}, by layer`);
    const set = isLossy(evaluation.mode) ? model.predictors?.set : null;
    print(layerTable(evaluation, set ?? null));
  }
  note(
    errorColors.dim(
      `${formatCount(tokens)} tokens · windows of ${context} · speeds are decoding, token by token, in turns`,
    ),
  );
}

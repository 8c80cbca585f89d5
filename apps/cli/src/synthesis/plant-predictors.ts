import { predictorBytes, predictorWeights, writePredictorSet } from '@thermocline/contracts';
import { plantedPredictors, type WrittenModel } from '@thermocline/synth';
import { describeModel } from '../describe-model.js';

/** What was written beside a model. */
export interface PlantedFigures {
  path: string;
  bytes: number;
  /** Of the model's parameters. */
  params_share: number;
  over_prediction: number;
  /** What follows from what was planted, at this over-prediction. */
  expected_recall_value: number;
  expected_recall_count: number;
}

/** Writes the predictors that are planted in a model that was just written. */
export async function plantPredictors(
  path: string,
  { path: modelPath, recipe, parameters }: WrittenModel,
  overPrediction: number | undefined,
): Promise<PlantedFigures> {
  const set = plantedPredictors(
    await describeModel(modelPath),
    recipe.name,
    recipe,
    overPrediction === undefined ? {} : { overPrediction },
  );
  await writePredictorSet(path, set);
  const first = set.layers[0];
  const quality = first !== undefined && 'heldOut' in first ? first.heldOut : undefined;
  const sum = (of: typeof predictorBytes) => set.layers.reduce((all, layer) => all + of(layer), 0);
  return {
    path,
    bytes: sum(predictorBytes),
    params_share: sum(predictorWeights) / parameters,
    over_prediction: quality?.overPrediction ?? Number.NaN,
    expected_recall_value: quality?.recallValue ?? Number.NaN,
    expected_recall_count: quality?.recallCount ?? Number.NaN,
  };
}

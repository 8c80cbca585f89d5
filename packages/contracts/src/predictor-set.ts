import * as z from 'zod';
import { writeArtifact } from './artifact.js';
import { refuseArgument, refuseFile, requireLayerNames } from './artifact-layers.js';
import {
  type ArtifactOrigin,
  encodeOrigin,
  getJson,
  type ReadArtifactOptions,
  setJson,
  withArtifact,
} from './artifact-origin.js';
import { corrupt } from './file-errors.js';
import {
  checkPredictor,
  type LayerPredictor,
  layerDescriptionSchema,
  readPredictor,
  writePredictor,
} from './predictor-layer.js';

export const PREDICTOR_SET_FORMAT = 'thermocline.predictor-set';

/** What predicts the firing neurons of every layer: what a trainer makes and an engine reads. */
export interface PredictorSet extends ArtifactOrigin {
  /** [layers], in the order of their numbers */
  layers: LayerPredictor[];
}

/**
 * Writes a predictor set, complete or not at all.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the set contradicts itself, `IO_ERROR`
 */
export async function writePredictorSet(path: string, set: PredictorSet): Promise<void> {
  const refuse = refuseArgument('predictors');
  if (set.layers.length !== set.model.layers) {
    refuse(`${set.layers.length} layers, the model ${set.model.layers}`);
  }
  for (const [layer, predictor] of set.layers.entries()) {
    checkPredictor(predictor, layer, set.model, refuse);
  }
  const metadata = encodeOrigin(PREDICTOR_SET_FORMAT, set);
  setJson(metadata, 'predictors', set.layers, z.array(layerDescriptionSchema));
  await writeArtifact(path, metadata, set.layers.flatMap(writePredictor));
}

/**
 * Reads a predictor set and checks that it fits its model.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `ARTIFACT_CORRUPT`, `ARTIFACT_FORMAT`,
 * `ARTIFACT_VERSION`, `ARTIFACT_MODEL_MISMATCH`
 *
 * @example
 * const predictors = await readPredictorSet('story.predictors.safetensors', { fingerprint });
 */
export function readPredictorSet(
  path: string,
  options: ReadArtifactOptions = {},
): Promise<PredictorSet> {
  return withArtifact(path, PREDICTOR_SET_FORMAT, options, async (artifact, origin) => {
    const { model } = origin;
    requireLayerNames(artifact, model.layers);
    const descriptions = getJson(artifact, 'predictors', z.array(layerDescriptionSchema));
    if (descriptions?.length !== model.layers) {
      throw corrupt(path, `metadata "predictors" must describe ${model.layers} layers`);
    }
    const layers: LayerPredictor[] = [];
    for (const [layer, description] of descriptions.entries()) {
      const predictor =
        description.kind === 'none'
          ? description
          : { ...description, ...(await readPredictor(artifact, layer)) };
      checkPredictor(predictor, layer, model, refuseFile(path));
      layers.push(predictor);
    }
    return { ...origin, layers };
  });
}

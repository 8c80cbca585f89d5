import * as z from 'zod';
import { writeArtifact } from './artifact.js';
import { type Refuse, refuseArgument, refuseFile, requireLayerNames } from './artifact-layers.js';
import {
  type ArtifactOrigin,
  encodeOrigin,
  getJson,
  type ReadArtifactOptions,
  setJson,
  withArtifact,
} from './artifact-origin.js';
import { MODES } from './engine.js';
import { corrupt } from './file-errors.js';
import {
  CALIBRATION_COLUMNS,
  checkPredictor,
  type LayerPredictor,
  layerDescriptionSchema,
  readPredictor,
  writePredictor,
} from './predictor-layer.js';

export const PREDICTOR_SET_FORMAT = 'thermocline.predictor-set';

const measuredSchema = z.object({
  mode: z.enum(MODES),
  /** The value recall the thresholds were set for. */
  recall: z.number().min(0).max(1).exactOptional(),
  /** Share of the neurons that were left out. */
  sparsity: z.number().min(0).max(1).exactOptional(),
  perplexity: z.number().positive(),
  densePerplexity: z.number().positive(),
  tokens: z.number().int().positive(),
});

/** What a model lost with a predictor set, on text that was not trained on. */
export type MeasuredLoss = z.infer<typeof measuredSchema>;

/** What predicts the firing neurons of every layer: what a trainer makes and an engine reads. */
export interface PredictorSet extends ArtifactOrigin {
  /** [layers], in the order of their numbers */
  layers: LayerPredictor[];
  /** Perplexities of the whole model, one for each setting that was tried. */
  measured?: MeasuredLoss[];
}

/**
 * Writes a predictor set, complete or not at all.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the set contradicts itself, `IO_ERROR`
 */
export async function writePredictorSet(path: string, set: PredictorSet): Promise<void> {
  checkPredictorSet(set, refuseArgument('predictors'));
  const metadata = encodeOrigin(PREDICTOR_SET_FORMAT, set);
  setJson(metadata, 'predictors', set.layers, z.array(layerDescriptionSchema));
  setJson(metadata, 'measured', set.measured, z.array(measuredSchema));
  const tensors = set.layers.flatMap((predictor, layer) =>
    writePredictor(predictor, layer, set.model),
  );
  await writeArtifact(path, metadata, tensors);
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
      layers.push(
        description.kind === 'none'
          ? description
          : await readPredictor(artifact, layer, description),
      );
    }
    const measured = getJson(artifact, 'measured', z.array(measuredSchema));
    const set: PredictorSet = { ...origin, layers, ...(measured && { measured }) };
    checkPredictorSet(set, refuseFile(path));
    return set;
  });
}

function checkPredictorSet({ model, layers }: PredictorSet, refuse: Refuse): void {
  if (layers.length !== model.layers) refuse(`${layers.length} layers, the model ${model.layers}`);
  for (const [layer, predictor] of layers.entries()) {
    checkPredictor(predictor, layer, model, refuse);
  }
  // One recall is asked of the whole set, so all layers must know the same ones.
  const targets = layers.flatMap((layer) =>
    layer.kind !== 'none' && layer.calibration ? [recallTargets(layer.calibration)] : [],
  );
  if (new Set(targets.map(String)).size > 1) refuse('the calibrations of layers differ in recall');
}

function recallTargets(calibration: Float32Array): Float32Array {
  return calibration.filter((_, index) => index % CALIBRATION_COLUMNS === 0);
}

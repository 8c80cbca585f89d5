import {
  type ActivationProfile,
  type ActivationSource,
  PipelineError,
  type PredictorSet,
} from '@thermocline/contracts';
import { calibrateThresholds } from './calibrate-thresholds.js';
import { fitLayers } from './fit-layers.js';
import { planWidths } from './plan-widths.js';
import { toPredictorSet } from './to-predictor-set.js';
import type { TrainOptions } from './train-options.js';
import { planTraining } from './train-run.js';
import { openWorkFolder, type WorkFolder } from './work-folder.js';

/**
 * Trains what predicts, from a hidden state, which neurons the next token needs.
 *
 * The model reads the text once (or, where the samples of all layers do not fit the cache, once for
 * each group of layers that does). Each layer gets a width by what its predictor saves, is fitted,
 * and kept in the folder of `checkpoint`: a call that was killed goes on behind the last finished
 * layer. In the end the thresholds of all layers are set together for the value recall asked for.
 *
 * @param source - the model, such as an opened engine
 * @param profile - how often its neurons fire, from `profileModel`
 * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` for a profile of another model, `CORPUS_INVALID` for
 * too little text, `CHECKPOINT_MISMATCH` for progress of other settings, `ARTIFACT_CORRUPT` for damaged
 * progress, `MODEL_CORRUPT` for states that are not finite, `IO_ERROR` such as for a full disk,
 * `ABORTED`, `INVALID_ARGUMENT`; and what source and mathematics throw
 *
 * @example
 * await using math = await openPredictorMath();
 * const windows = () => cutWindows(engine, corpus, { tokens: 131_072 });
 * const set = await trainPredictors(engine, profile, { math, weights: engine, windows });
 * await writePredictorSet('story.predictors.safetensors', set);
 */
export async function trainPredictors(
  source: ActivationSource,
  profile: ActivationProfile,
  options: TrainOptions,
): Promise<PredictorSet> {
  const run = planTraining(source, profile, options);
  const folder = await openWorkFolder(run);
  try {
    const choices = await planWidths(run, folder);
    const fits = await fitLayers(run, folder, choices);
    return toPredictorSet(run, fits, calibrateThresholds(run, fits));
  } catch (error) {
    throw interrupted(error, options, folder);
  } finally {
    await folder.close();
  }
}

/** Says how to go on when it was the caller who ended the work. */
function interrupted(error: unknown, options: TrainOptions, folder: WorkFolder): unknown {
  if (!options.signal?.aborted) return error;
  const reason = options.checkpoint
    ? `finished layers are kept in ${folder.path}; run again to go on from there`
    : 'no progress was kept; give a checkpoint to be able to go on';
  return new PipelineError('ABORTED', `Stopped: ${reason}.`, { reason }, { cause: error });
}

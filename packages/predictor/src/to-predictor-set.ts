import type { LayerPredictor, PredictorSet } from '@thermocline/contracts';
import manifest from '../package.json' with { type: 'json' };
import type { LayerFit } from './layer-fit.js';
import type { TrainRun } from './train-run.js';

/** Gathers what was trained, with how it was made. */
export function toPredictorSet(
  run: TrainRun,
  fits: readonly LayerFit[],
  layers: LayerPredictor[],
): PredictorSet {
  const { source, model, settings, options } = run;
  const choices = fits.map(({ choice, history }) => {
    const { rank, reason, bytesPerToken, bytesWithout } = choice;
    return {
      ...(rank !== undefined && { rank }),
      reason,
      ...(bytesPerToken !== undefined && { bytes_per_token: Math.round(bytesPerToken) }),
      ...(bytesWithout !== undefined && { bytes_without: Math.round(bytesWithout) }),
      ...(history && { held_out_loss: history.heldOutLoss, best_pass: history.best }),
    };
  });
  return {
    fingerprint: source.fingerprint,
    model,
    corpora: [...(options.corpora ?? [])],
    madeBy: {
      tool: manifest.name,
      version: manifest.version,
      options: { ...settings, widths: choices.map(({ rank = 0 }) => rank), layers: choices },
    },
    layers,
  };
}

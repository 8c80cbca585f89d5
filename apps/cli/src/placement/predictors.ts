import { type PredictorSet, predictorBytes, readPredictorSet } from '@thermocline/contracts';
import type { SolveOptions } from '@thermocline/runtime';
import { callerPath } from '../paths.js';

/** What a predictor set says of the work that a plan is for: its size, and how much it predicts. */
export async function predictorWork(
  path: string | undefined,
  fingerprint: string,
): Promise<Pick<SolveOptions, 'mode' | 'predictorBytes' | 'overPrediction'>> {
  if (path === undefined) return {};
  const set = await readPredictorSet(callerPath(path), { fingerprint });
  const overPrediction = pooledOverPrediction(set);
  return {
    mode: 'predicted',
    predictorBytes: set.layers.map(predictorBytes),
    ...(overPrediction !== undefined && { overPrediction }),
  };
}

/** Σ predicted ÷ Σ firing over the layers that say so; never below 1, which a plan starts from. */
function pooledOverPrediction({ layers, model }: PredictorSet): number | undefined {
  let predicted = 0;
  let firing = 0;
  for (const [layer, predictor] of layers.entries()) {
    if (predictor.kind === 'none' || predictor.heldOut?.density === undefined) continue;
    const fires = predictor.heldOut.density * (model.n_ff[layer] as number);
    firing += fires;
    predicted += fires * predictor.heldOut.overPrediction;
  }
  return firing > 0 ? Math.max(1, predicted / firing) : undefined;
}

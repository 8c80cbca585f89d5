import type { FirstMatrix } from '@thermocline/contracts';
import type { TrainRun } from './train-run.js';

/** The first matrix of a layer, where the source shows its weights. */
export async function readFirst(run: TrainRun, layer: number): Promise<FirstMatrix | undefined> {
  const { weights, signal } = run.options;
  return weights?.readFirstMatrix(layer, { ...(signal && { signal }) });
}

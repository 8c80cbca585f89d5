import type { LayerPredictor } from '@thermocline/contracts';

/** Hidden units of a low-rank predictor; other kinds have none. */
export function rankOf(predictor: LayerPredictor | undefined): number | null {
  return predictor && 'down' in predictor ? predictor.down.rows : null;
}

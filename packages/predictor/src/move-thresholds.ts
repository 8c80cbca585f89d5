import {
  CALIBRATION_COLUMNS,
  type LayerPredictor,
  PipelineError,
  type PredictorSet,
} from '@thermocline/contracts';

type Predicting = Exclude<LayerPredictor, { kind: 'none' }>;

/**
 * A set whose thresholds are set for another value recall, pooled over all layers. Weights are
 * shared with the given set, which stays as it is. Figures measured at the old thresholds are left out.
 *
 * @throws PipelineError `INVALID_ARGUMENT` for a recall that was not calibrated, or a set that
 * cannot be moved
 *
 * @example
 * const careful = moveThresholds(set, 0.99);
 */
export function moveThresholds(set: PredictorSet, recall: number): PredictorSet {
  const recalls = columnOf(calibrationOf(set, 'recall'), 0);
  // Targets are kept as float32: the ends of the range may be asked for as they were written.
  const inside =
    recall >= (recalls[0] as number) - 1e-6 && recall <= (recalls.at(-1) as number) + 1e-6;
  if (!inside) {
    const [lowest, highest] = [recalls[0], recalls.at(-1)].map((value) => (value ?? 0).toFixed(3));
    throw refusal('recall', `was calibrated from ${lowest} to ${highest}, not at ${recall}`);
  }
  return moveAll(set, recall, { recall });
}

/**
 * A set whose thresholds leave out another share of all neurons of the model, as a set of `gate`
 * predictors does in mode `threshold`.
 *
 * @throws PipelineError `INVALID_ARGUMENT` for a sparsity that was not calibrated, or a set that
 * cannot be moved
 *
 * @example
 * const quarter = moveSparsity(set, 0.25);
 */
export function moveSparsity(set: PredictorSet, sparsity: number): PredictorSet {
  const recalls = columnOf(calibrationOf(set, 'sparsity'), 0);
  const sparsities = pooledSparsity(set, recalls.length);
  const [highest, lowest] = [sparsities[0] as number, sparsities.at(-1) as number];
  if (!(sparsity >= lowest - 1e-6 && sparsity <= highest + 1e-6)) {
    const range = `${lowest.toFixed(3)} to ${highest.toFixed(3)}`;
    throw refusal('sparsity', `was calibrated from ${range}, not at ${sparsity}`);
  }
  // More is left out at lower recalls.
  const ascending = [...sparsities].reverse();
  const recall = interpolate(ascending, [...recalls].reverse(), sparsity);
  return moveAll(set, recall, { sparsity });
}

/** Share of all neurons that is left out, at each row of the calibration. */
function pooledSparsity({ model, layers }: PredictorSet, rows: number): number[] {
  const all = model.n_ff.reduce((sum, neurons) => sum + neurons, 0);
  return Array.from({ length: rows }, (_, row) => {
    const active = layers.reduce((sum, layer, i) => {
      const neurons = model.n_ff[i] as number;
      if (layer.kind === 'none') return sum + neurons;
      const share = layer.calibration?.[row * CALIBRATION_COLUMNS + 1] ?? 1;
      return sum + neurons * share;
    }, 0);
    return 1 - active / all;
  });
}

function moveAll(
  set: PredictorSet,
  recall: number,
  target: { recall: number } | { sparsity: number },
): PredictorSet {
  const { measured: _, ...rest } = set;
  const layers = set.layers.map((layer) => (layer.kind === 'none' ? layer : moved(layer, recall)));
  const { madeBy } = set;
  const { recall: _r, sparsity: _s, ...options } = madeBy?.options ?? {};
  return {
    ...rest,
    layers,
    ...(madeBy && { madeBy: { ...madeBy, options: { ...options, ...target } } }),
  };
}

function moved(layer: Predicting, recall: number): Predicting {
  const { heldOut: _h, sameLayer: _s, ...rest } = layer;
  const calibration = layer.calibration as Float32Array;
  const shift = interpolate(
    columnOf(calibration, 0),
    columnOf(calibration, 2),
    Math.fround(recall),
  );
  return {
    ...rest,
    threshold: movedThreshold(layer, shift),
    // Shifts count from the thresholds as they are now.
    calibration: calibration.map((value, i) =>
      i % CALIBRATION_COLUMNS === 2 ? value - shift : value,
    ),
  };
}

/** Those of a gate that has one for each neuron keep their proportions, and the shift is that of their mean. */
function movedThreshold({ kind, threshold }: Predicting, shift: number): Float32Array {
  const mean = threshold.reduce((sum, value) => sum + value, 0) / threshold.length;
  const proportional = kind === 'gate' && threshold.length > 1 && mean !== 0;
  if (!proportional) return threshold.map((value) => value + shift);
  return threshold.map((value) => value * (1 + shift / mean));
}

/** The calibration of the first layer that has one: all have the same recalls. */
function calibrationOf({ layers }: PredictorSet, argument: string): Float32Array {
  const predicting = layers.filter((layer): layer is Predicting => layer.kind !== 'none');
  const fixed = predicting.filter(({ calibration }) => calibration === undefined).length;
  if (fixed > 0) {
    throw refusal(
      argument,
      `cannot be moved: ${fixed} layers of the set have no calibration; train it anew`,
    );
  }
  const calibration = predicting[0]?.calibration;
  if (calibration === undefined)
    throw refusal(argument, 'cannot be moved: no layer of the set predicts');
  return calibration;
}

function columnOf(calibration: Float32Array, column: number): number[] {
  return [...calibration.filter((_, i) => i % CALIBRATION_COLUMNS === column)];
}

/** Linear between the points, and as at the ends beyond them. */
function interpolate(at: readonly number[], values: readonly number[], x: number): number {
  const above = at.findIndex((value) => value >= x);
  if (above <= 0) return values[above === 0 ? 0 : values.length - 1] as number;
  const [left, right] = [at[above - 1] as number, at[above] as number];
  const [low, high] = [values[above - 1] as number, values[above] as number];
  return low + ((x - left) / (right - left)) * (high - low);
}

function refusal(argument: string, reason: string): PipelineError<'INVALID_ARGUMENT'> {
  return new PipelineError('INVALID_ARGUMENT', `${argument} ${reason}.`, { argument, reason });
}

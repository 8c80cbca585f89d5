import type {
  EngineInfo,
  LayerPredictor,
  PredictorMatrix,
  PredictorSet,
} from '@thermocline/contracts';
import type { NativeEngine } from '@thermocline/engine-native';

/** A predictor set of one layer after another. */
function predictorSet({ fingerprint, model }: EngineInfo, layers: LayerPredictor[]): PredictorSet {
  return { fingerprint, model, corpora: [], layers };
}

/** Low-rank predictors of random F32 weights, all with one threshold. */
export function randomPredictors(info: EngineInfo, threshold: number, rank = 32): PredictorSet {
  const { d_model, n_ff } = info.model;
  const layers = n_ff.map((neurons, layer): LayerPredictor => {
    const next = randomNumbers(layer + 1);
    return {
      kind: layer % 2 === 0 ? 'trained' : 'factorised',
      reads: layer % 3 === 2 ? 'previous-layer' : 'same-layer',
      down: matrix(rank, d_model, next),
      up: matrix(neurons, rank, next),
      threshold: Float32Array.of(threshold),
    };
  });
  return predictorSet(info, layers);
}

/**
 * The first matrix of each layer, as a product with the identity: scores are the very products
 * that decide what fires, so that the predictors are never wrong.
 */
export async function perfectPredictors(engine: NativeEngine): Promise<PredictorSet> {
  const { info } = engine;
  const width = info.model.d_model;
  const layers = info.model.n_ff.map(async (neurons, layer): Promise<LayerPredictor> => {
    const { weights, bias } = await engine.readFirstMatrix(layer);
    return {
      kind: 'factorised',
      reads: 'same-layer',
      down: matrix(width, width, (i) => (i % (width + 1) === 0 ? 1 : 0)),
      up: { type: 'F32', rows: neurons, columns: width, values: weights },
      threshold: bias ? bias.map((value) => -value) : Float32Array.of(0),
    };
  });
  return predictorSet(info, await Promise.all(layers));
}

/** Gates with one threshold for all neurons. */
export function gatePredictors(info: EngineInfo, threshold: number): PredictorSet {
  const gate = (): LayerPredictor => ({
    kind: 'gate',
    reads: 'same-layer',
    threshold: Float32Array.of(threshold),
  });
  return predictorSet(info, info.model.n_ff.map(gate));
}

function matrix(rows: number, columns: number, value: (i: number) => number): PredictorMatrix {
  const values = Float32Array.from({ length: rows * columns }, (_, i) => value(i));
  return { type: 'F32', rows, columns, values };
}

function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

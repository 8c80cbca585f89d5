import {
  type LayerPredictor,
  PREDICTOR_KINDS,
  PREDICTOR_TYPES,
  type PredictorMatrix,
  type PredictorSet,
} from '@thermocline/contracts';
import type { RawPredictors } from './binding.js';
import { checkInteger, checkOneOf, checkString, invalidArgument } from './check-arguments.js';

/** A predictor set as the core takes it; whether it fits the model is checked there. */
export function checkPredictors(predictors: PredictorSet): RawPredictors {
  if (typeof predictors !== 'object' || predictors === null || !Array.isArray(predictors.layers)) {
    throw invalidArgument('predictors', 'must be a predictor set');
  }
  const { fingerprint, layers } = predictors;
  checkString(fingerprint, 'predictors.fingerprint');
  for (const [i, layer] of layers.entries()) checkLayer(layer, `predictors.layers[${i}]`);
  return { fingerprint, layers };
}

function checkLayer(layer: LayerPredictor, here: string): void {
  if (typeof layer !== 'object' || layer === null) throw invalidArgument(here, 'must be an object');
  checkOneOf(layer.kind, `${here}.kind`, PREDICTOR_KINDS);
  if (layer.kind === 'none') return;
  checkOneOf(layer.reads, `${here}.reads`, ['same-layer', 'previous-layer']);
  checkArray(layer.threshold, `${here}.threshold`, Float32Array);
  switch (layer.kind) {
    case 'gate':
      return;
    case 'signs':
      checkArray(layer.signs, `${here}.signs`, Uint8Array);
      return;
    default:
      checkMatrix(layer.down, `${here}.down`);
      checkMatrix(layer.up, `${here}.up`);
  }
}

const ARRAYS = {
  F32: { values: Float32Array, scale: null },
  F16: { values: Uint16Array, scale: null },
  BF16: { values: Uint16Array, scale: null },
  I8: { values: Int8Array, scale: Float32Array },
  Q8_0: { values: Int8Array, scale: Uint16Array },
  Q4_0: { values: Uint8Array, scale: Uint16Array },
} as const;

function checkMatrix(matrix: PredictorMatrix, here: string): void {
  if (typeof matrix !== 'object' || matrix === null) {
    throw invalidArgument(here, 'must be a matrix');
  }
  const type = checkOneOf(matrix.type, `${here}.type`, PREDICTOR_TYPES);
  checkInteger(matrix.rows, `${here}.rows`, 0);
  checkInteger(matrix.columns, `${here}.columns`, 0);
  checkArray(matrix.values, `${here}.values`, ARRAYS[type].values);
  const { scale } = ARRAYS[type];
  if (scale !== null) checkArray('scale' in matrix && matrix.scale, `${here}.scale`, scale);
}

function checkArray(value: unknown, here: string, type: new () => unknown): void {
  if (!(value instanceof type)) throw invalidArgument(here, `must be a ${type.name}`);
}

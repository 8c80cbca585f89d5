import * as z from 'zod';
import type { Artifact } from './artifact.js';
import { layerTensor, type Refuse } from './artifact-layers.js';
import { corrupt } from './file-errors.js';
import type { ModelInfo } from './model-info.js';
import { TENSOR_TYPES, type TensorArray, type TensorData } from './tensor.js';

/** `trained`: a two-layer network with ReLU. `factorised`: the gate or up matrix as a product, no training. */
const KINDS = ['trained', 'factorised'] as const;

/** Element types of predictor weights. I8 has one scale per row. */
export const PREDICTOR_TYPES = ['F32', 'F16', 'BF16', 'I8'] as const;
export type PredictorType = (typeof PREDICTOR_TYPES)[number];

const share = z.number().min(0).max(1);
const heldOutSchema = z.object({
  recallCount: share,
  recallValue: share,
  /** Σ predicted ÷ Σ firing */
  overPrediction: z.number().nonnegative(),
  tokens: z.number().int().nonnegative(),
});

export const layerDescriptionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('none') }),
  z.object({
    kind: z.enum(KINDS),
    /** Whose FFN input it reads: the layer's own, or the one before, which leaves time to fetch. */
    reads: z.enum(['same-layer', 'previous-layer']),
    /** Measured on text that was not trained on. */
    heldOut: heldOutSchema.exactOptional(),
  }),
]);

/** How well a predictor did on text it had not seen. */
export type HeldOutQuality = z.infer<typeof heldOutSchema>;

/** A matrix of a predictor. Values of F16 and BF16 are raw bits. */
export interface PredictorMatrix {
  type: PredictorType;
  rows: number;
  columns: number;
  /** [rows × columns] */
  values: TensorArray<PredictorType>;
  /** What the integers of a row are multiplied by; I8 only. [rows] */
  scale?: Float32Array;
}

/** Guesses which neurons of one layer fire: score = up · act(down · x), fires where above threshold. */
export interface LowRankPredictor {
  /** `trained` has ReLU between the two matrices, `factorised` nothing. */
  kind: (typeof KINDS)[number];
  reads: 'same-layer' | 'previous-layer';
  heldOut?: HeldOutQuality;
  /** [rank × d_model] */
  down: PredictorMatrix;
  /** [n_ff × rank] */
  up: PredictorMatrix;
  /** One for the layer, or one per neuron. [1] or [n_ff] */
  threshold: Float32Array;
}

/** A layer's predictor. `none` says on purpose that all its neurons are to be computed. */
export type LayerPredictor = { kind: 'none' } | LowRankPredictor;

/** The part of a layer's predictor that is tensors. */
type PredictorTensors = Pick<LowRankPredictor, 'down' | 'up' | 'threshold'>;

export async function readPredictor(artifact: Artifact, layer: number): Promise<PredictorTensors> {
  return {
    down: await readMatrix(artifact, layerTensor(layer, 'down')),
    up: await readMatrix(artifact, layerTensor(layer, 'up')),
    threshold: await artifact.read(layerTensor(layer, 'threshold'), 'F32'),
  };
}

async function readMatrix(artifact: Artifact, name: string): Promise<PredictorMatrix> {
  const info = artifact.tensors.get(name);
  if (info === undefined) throw corrupt(artifact.path, `the tensor "${name}" is missing`);
  const [rows, columns, ...more] = info.shape;
  if (rows === undefined || columns === undefined || more.length > 0) {
    throw corrupt(artifact.path, `tensor "${name}" is not a matrix`);
  }
  if (!isPredictorType(info.type)) {
    throw corrupt(artifact.path, `tensor "${name}" has a type (${info.type}) weights cannot have`);
  }
  const values = await artifact.read(name, info.type);
  if (info.type !== 'I8') return { type: info.type, rows, columns, values };
  const scale = await artifact.read(`${name}_scale`, 'F32', [rows]);
  return { type: info.type, rows, columns, values, scale };
}

export function writePredictor(predictor: LayerPredictor, layer: number): TensorData[] {
  if (predictor.kind === 'none') return [];
  const { down, up, threshold } = predictor;
  const name = layerTensor(layer, 'threshold');
  return [
    ...writeMatrix(layerTensor(layer, 'down'), down),
    ...writeMatrix(layerTensor(layer, 'up'), up),
    { name, type: 'F32', shape: [threshold.length], data: threshold },
  ];
}

function writeMatrix(name: string, matrix: PredictorMatrix): TensorData[] {
  const { type, rows, columns, values, scale } = matrix;
  const tensors: TensorData[] = [{ name, type, shape: [rows, columns], data: values }];
  if (scale) tensors.push({ name: `${name}_scale`, type: 'F32', shape: [rows], data: scale });
  return tensors;
}

/** Refuses a predictor that does not fit its layer. */
export function checkPredictor(
  predictor: LayerPredictor,
  layer: number,
  model: ModelInfo,
  refuse: Refuse,
): void {
  if (predictor.kind === 'none') return;
  const here = (reason: string) => refuse(`layer ${layer}: ${reason}`);
  const { down, up, threshold, reads } = predictor;
  const neurons = model.n_ff[layer] as number;
  if (reads === 'previous-layer' && layer === 0) here('the first layer has none before it');
  if (down.columns !== model.d_model) here(`down reads ${down.columns} of ${model.d_model} values`);
  if (up.rows !== neurons) here(`up predicts ${up.rows} of ${neurons} neurons`);
  if (down.rows !== up.columns) here(`down gives ${down.rows} values, up takes ${up.columns}`);
  if (down.rows === 0) here('the rank is 0');
  checkMatrix('down', down, here);
  checkMatrix('up', up, here);
  if (threshold.length !== 1 && threshold.length !== neurons) {
    here(`${threshold.length} thresholds, neither 1 nor ${neurons}`);
  }
  if (threshold.some((value) => !Number.isFinite(value))) here('a threshold is not finite');
}

function checkMatrix(name: string, matrix: PredictorMatrix, refuse: Refuse): void {
  const { type, rows, columns, values, scale } = matrix;
  if (!(values instanceof TENSOR_TYPES[type]) || values.length !== rows * columns) {
    refuse(`the values of ${name} are not [${rows} × ${columns}] of ${type}`);
  }
  if (hasNonFinite(type, values)) refuse(`${name} has a weight that is not finite`);
  if ((type === 'I8') !== (scale !== undefined)) refuse(`${name}: I8, and only I8, has a scale`);
  if (scale === undefined) return;
  if (scale.length !== rows) refuse(`${name} has ${scale.length} scales for ${rows} rows`);
  if (scale.some((value) => !Number.isFinite(value))) refuse(`a scale of ${name} is not finite`);
}

// A half float whose exponent bits are all set is infinite or not a number.
function hasNonFinite(type: PredictorType, values: PredictorMatrix['values']): boolean {
  if (type === 'I8') return false;
  const exponent = { F32: 0, F16: 0x7c00, BF16: 0x7f80 }[type];
  if (type === 'F32') return values.some((value) => !Number.isFinite(value));
  return values.some((bits) => (bits & exponent) === exponent);
}

function isPredictorType(type: string): type is PredictorType {
  return (PREDICTOR_TYPES as readonly string[]).includes(type);
}

import * as z from 'zod';
import type { Artifact } from './artifact.js';
import { layerTensor, type Refuse } from './artifact-layers.js';
import type { ModelInfo } from './model-info.js';
import {
  checkMatrix,
  matrixBytes,
  type PredictorMatrix,
  readMatrix,
  writeMatrix,
} from './predictor-matrix.js';
import type { TensorData } from './tensor.js';

/**
 * What a predictor of one layer may be. `none`: all its neurons are to be computed, on purpose.
 * `trained`: a two-layer network with ReLU. `factorised`: the same without, such as the gate or up
 * matrix as a product. `signs`: counts signs that agree. `gate`: the first matrix itself, in full.
 */
export const PREDICTOR_KINDS = ['none', 'trained', 'factorised', 'signs', 'gate'] as const;
export type PredictorKind = (typeof PREDICTOR_KINDS)[number];

const share = z.number().min(0).max(1);
const heldOutSchema = z.object({
  recallCount: share,
  recallValue: share,
  /** Σ predicted ÷ Σ firing */
  overPrediction: z.number().nonnegative(),
  tokens: z.number().int().nonnegative(),
  /** Share of the neurons that fired. */
  density: share.exactOptional(),
});

export const layerDescriptionSchema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('none') }),
  z.object({
    kind: z.enum(['trained', 'factorised', 'signs', 'gate']),
    /** Whose FFN input it reads: the layer's own, or the one before, which leaves time to fetch. */
    reads: z.enum(['same-layer', 'previous-layer']),
    /** Measured on text that was not trained on. */
    heldOut: heldOutSchema.exactOptional(),
    /** The same of a predictor that reads its own layer: what looking ahead costs. */
    sameLayer: heldOutSchema.exactOptional(),
  }),
]);

/** How well a predictor did on text it had not seen. */
export type HeldOutQuality = z.infer<typeof heldOutSchema>;

/** Columns of a calibration. */
export const CALIBRATION_COLUMNS = 4;

interface Predicting {
  reads: 'same-layer' | 'previous-layer';
  heldOut?: HeldOutQuality;
  sameLayer?: HeldOutQuality;
  /** One for the layer, or one per neuron; a neuron is predicted where its score is above. [1] or [n_ff] */
  threshold: Float32Array;
  /**
   * How the thresholds move when another recall is asked for. [points × 4], ascending by the first
   * column: the value recall of the whole set · the share of held-out scores above the threshold ·
   * what is added to every threshold (of a gate with one per neuron: to their mean, in proportion) ·
   * the value recall of this layer.
   */
  calibration?: Float32Array;
}

/** score = up · f(down · x); f is ReLU for `trained` and nothing for `factorised`. */
export interface LowRankPredictor extends Predicting {
  kind: 'trained' | 'factorised';
  /** [rank × d_model] */
  down: PredictorMatrix;
  /** [n_ff × rank] */
  up: PredictorMatrix;
}

/** score = columns where x and the first matrix's row agree in sign, less those where they do not. */
export interface SignPredictor extends Predicting {
  kind: 'signs';
  /** Bit i of byte b is set where the weight in column 8b + i is negative. [n_ff × ⌈d_model / 8⌉] */
  signs: Uint8Array;
}

/**
 * score = |act(first · x)|, the first matrix being the gate, or up where there is none. With ReLU
 * and the threshold 0 this is mode `exact`; with SiLU and others, what mode `threshold` runs.
 */
export interface GatePredictor extends Predicting {
  kind: 'gate';
  reads: 'same-layer';
}

/** A layer's predictor. `none` says on purpose that all its neurons are to be computed. */
export type LayerPredictor = { kind: 'none' } | LowRankPredictor | SignPredictor | GatePredictor;

type PredictingLayer = Exclude<LayerPredictor, { kind: 'none' }>;

/**
 * Numbers a predictor keeps: its weights, those of one bit counted like others. Thresholds are not
 * weights. A gate predictor has none of its own.
 *
 * @example
 * const share = sum(set.layers.map(predictorWeights)) / modelParameters;
 */
export function predictorWeights(predictor: LayerPredictor): number {
  switch (predictor.kind) {
    case 'none':
    case 'gate':
      return 0;
    case 'signs':
      return predictor.signs.length * 8;
    default:
      return predictor.down.rows * (predictor.down.columns + predictor.up.rows);
  }
}

/**
 * Bytes a predictor takes, thresholds included; what moves the thresholds is not kept in memory.
 *
 * @example
 * const plan = await solvePlacement(profile, hardware, { predictorBytes: set.layers.map(predictorBytes) });
 */
export function predictorBytes(predictor: LayerPredictor): number {
  if (predictor.kind === 'none') return 0;
  const thresholds = predictor.threshold.byteLength;
  if (predictor.kind === 'gate') return thresholds;
  if (predictor.kind === 'signs') return thresholds + predictor.signs.byteLength;
  return thresholds + matrixBytes(predictor.down) + matrixBytes(predictor.up);
}

/** Adds the tensors of a layer to what its description said. */
export async function readPredictor(
  artifact: Artifact,
  layer: number,
  description: Exclude<z.infer<typeof layerDescriptionSchema>, { kind: 'none' }>,
): Promise<LayerPredictor> {
  const tensor = (name: string) => layerTensor(layer, name);
  const threshold = await artifact.read(tensor('threshold'), 'F32');
  const calibration = artifact.tensors.has(tensor('calibration'))
    ? { calibration: await artifact.read(tensor('calibration'), 'F32') }
    : {};
  const { kind, reads, ...quality } = description;
  const common = { reads, ...quality, threshold, ...calibration };
  switch (kind) {
    case 'gate':
      // Checked with the rest: a reader must be able to say what is wrong.
      return { ...common, kind, reads: reads as 'same-layer' };
    case 'signs':
      return { ...common, kind, signs: await artifact.read(tensor('signs'), 'U8') };
    default:
      return {
        ...common,
        kind,
        down: await readMatrix(artifact, tensor('down')),
        up: await readMatrix(artifact, tensor('up')),
      };
  }
}

export function writePredictor(
  predictor: LayerPredictor,
  layer: number,
  model: ModelInfo,
): TensorData[] {
  if (predictor.kind === 'none') return [];
  const tensor = (name: string) => layerTensor(layer, name);
  const { threshold, calibration } = predictor;
  const tensors: TensorData[] = [
    { name: tensor('threshold'), type: 'F32', shape: [threshold.length], data: threshold },
  ];
  if (calibration) {
    const shape = [calibration.length / CALIBRATION_COLUMNS, CALIBRATION_COLUMNS];
    tensors.push({ name: tensor('calibration'), type: 'F32', shape, data: calibration });
  }
  if (predictor.kind === 'signs') {
    const shape = [model.n_ff[layer] as number, Math.ceil(model.d_model / 8)];
    tensors.push({ name: tensor('signs'), type: 'U8', shape, data: predictor.signs });
  } else if (predictor.kind !== 'gate') {
    tensors.push(...writeMatrix(tensor('down'), predictor.down));
    tensors.push(...writeMatrix(tensor('up'), predictor.up));
  }
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
  const neurons = model.n_ff[layer] as number;
  if (predictor.reads === 'previous-layer') {
    if (layer === 0) here('the first layer has none before it');
  }
  // A file may say what the type excludes.
  if (predictor.kind === 'gate' && predictor.reads !== 'same-layer') {
    here('a gate reads its own layer');
  }
  if (predictor.kind === 'signs') checkSigns(predictor.signs, neurons, model.d_model, here);
  if (predictor.kind === 'trained' || predictor.kind === 'factorised') {
    checkLowRank(predictor, neurons, model.d_model, here);
  }
  checkThresholds(predictor, neurons, here);
}

function checkLowRank(
  { down, up }: LowRankPredictor,
  neurons: number,
  width: number,
  refuse: Refuse,
) {
  if (down.columns !== width) refuse(`down reads ${down.columns} of ${width} values`);
  if (up.rows !== neurons) refuse(`up predicts ${up.rows} of ${neurons} neurons`);
  if (down.rows !== up.columns) refuse(`down gives ${down.rows} values, up takes ${up.columns}`);
  if (down.rows === 0) refuse('the rank is 0');
  checkMatrix('down', down, refuse);
  checkMatrix('up', up, refuse);
}

function checkSigns(signs: Uint8Array, neurons: number, width: number, refuse: Refuse) {
  const rowBytes = Math.ceil(width / 8);
  if (!(signs instanceof Uint8Array) || signs.length !== neurons * rowBytes) {
    refuse(`the signs are not [${neurons} × ${rowBytes}] bytes`);
  }
  const pad = 0xff & ~((1 << (width % 8 || 8)) - 1);
  for (let row = 1; pad !== 0 && row <= neurons; row++) {
    if (((signs[row * rowBytes - 1] as number) & pad) !== 0) refuse('a sign is of no column');
  }
}

function checkThresholds(
  { threshold, calibration }: PredictingLayer,
  neurons: number,
  refuse: Refuse,
) {
  if (threshold.length !== 1 && threshold.length !== neurons) {
    refuse(`${threshold.length} thresholds, neither 1 nor ${neurons}`);
  }
  if (threshold.some((value) => !Number.isFinite(value))) refuse('a threshold is not finite');
  if (calibration === undefined) return;
  if (calibration.length === 0 || calibration.length % CALIBRATION_COLUMNS !== 0) {
    refuse(`the calibration is not [points × ${CALIBRATION_COLUMNS}]`);
  }
  if (calibration.some((value) => !Number.isFinite(value))) refuse('the calibration is not finite');
  for (let i = CALIBRATION_COLUMNS; i < calibration.length; i += CALIBRATION_COLUMNS) {
    const [before, here] = [calibration[i - CALIBRATION_COLUMNS], calibration[i]];
    if ((before as number) >= (here as number)) refuse('the calibration does not ascend');
  }
}

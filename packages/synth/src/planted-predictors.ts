import {
  CALIBRATION_COLUMNS,
  invalidOption,
  type LowRankPredictor,
  type ModelInfo,
  type PredictorMatrix,
  type PredictorSet,
} from '@thermocline/contracts';
import manifest from '../package.json' with { type: 'json' };
import { constantSteps } from './fill-rows.js';
import type { FiringPlan } from './firing-plan.js';
import { DOUBLE_RELU_SHIFT, type Geometry } from './geometry.js';
import { ModelPlan } from './model-plan.js';
import { normalTail } from './normal.js';
import { STEP_VARIANCE } from './pool.js';
import { marginFor, type PredictionQuality, predictionQuality } from './prediction-quality.js';
import { type PlantOptions, type Recipe, resolveRecipe } from './recipe.js';
import { plantsSparsity } from './shapes.js';
import { BLOCK, halfOfPower, LARGEST_STEP, nibblesOf } from './weight-types.js';

export interface PlantedPredictorOptions {
  /** Neurons predicted for each that fires; 1.25. */
  overPrediction?: number;
}

/** The file that the predictors are for. */
export interface PredictedModel {
  fingerprint: string;
  model: ModelInfo;
}

// Where else the set can be run: what is predicted for each neuron that fires.
const POINTS = [0.9, 1, 1.1, 1.25, 1.5, 1.75, 2, 2.5, 3];
// Thresholds that the quality is computed from; neurons between them are like them.
const SAMPLED = 512;

/**
 * The predictors that are planted in a synthetic model: they read the constant and the rank columns
 * with the model's own weights, and nothing else. How well they do follows from what was planted; no
 * text is read. The set says that it is synthetic.
 *
 * @throws PipelineError `INVALID_ARGUMENT` for models without exact zeros, for mixtures, and where
 * the file is of another shape
 *
 * @example
 * const { info, fingerprint } = await inspectModel('bamboo.gguf');
 * const set = plantedPredictors({ model: info, fingerprint }, 'bamboo-7b', { seed: 1 });
 */
export function plantedPredictors(
  { fingerprint, model }: PredictedModel,
  shape: string,
  options: PlantOptions = {},
  { overPrediction = 1.25 }: PlantedPredictorOptions = {},
): PredictorSet {
  const recipe = resolveRecipe(shape, options);
  requirePredictable(recipe);
  requireShape(recipe, model);
  if (!(overPrediction >= 0.5 && overPrediction <= 10)) {
    throw invalidOption('overPrediction', `must be from 0.5 to 10, not ${String(overPrediction)}`);
  }
  const plan = new ModelPlan(recipe);
  const chosen = calibrate(plan, plan.firing(0), overPrediction);
  const down = selectColumns(plan.geometry, recipe.shape.dModel);
  const layers = Array.from({ length: recipe.layers }, (_, layer) =>
    predictLayer(plan, plan.firing(layer), down, chosen),
  );
  const { name, shape: _shape, ...planted } = recipe;
  const { recallValue, recallCount } = chosen.quality;
  const made = { synthetic: true, shape: name, ...planted, over_prediction: overPrediction };
  return {
    fingerprint,
    model,
    corpora: [],
    madeBy: {
      tool: manifest.name,
      version: manifest.version,
      options: { ...made, expected_recall_value: recallValue, expected_recall_count: recallCount },
    },
    layers,
  };
}

/**
 * Refuses shapes that no predictors can be planted in.
 *
 * @throws PipelineError `INVALID_ARGUMENT`
 */
export function requirePredictable({ name, shape }: Recipe): void {
  if (!plantsSparsity(shape)) {
    throw invalidOption('shape', `${name} has nothing to predict: with silu every neuron fires`);
  }
  // The engine has to know a model before anything can be made for it.
  if (shape.arch === 'llama' || shape.arch === 'opt') return;
  throw invalidOption('shape', `${name} is not computed by the engine yet, so nothing predicts it`);
}

function requireShape({ name, shape, layers }: Recipe, model: ModelInfo): void {
  if (model.d_model === shape.dModel && model.layers === layers && model.n_ff[0] === shape.nFf) {
    return;
  }
  throw invalidOption('model', `is not of the shape ${name} with ${layers} layers`);
}

interface Calibration {
  quality: PredictionQuality;
  /** Below its threshold a score may be by this, in the units of scores. */
  margin: number;
  /** As `LowRankPredictor.calibration`. */
  points: Float32Array;
}

/** All layers have the same thresholds, dealt to other neurons, so one stands for all. */
function calibrate(plan: ModelPlan, firing: FiringPlan, overPrediction: number): Calibration {
  const { geometry, recipe } = plan;
  const thresholds = sample(firing.thresholds.toSorted());
  const seen = seenShare(geometry);
  const drelu = recipe.shape.activation === 'drelu';
  const alsoNeeded = drelu ? normalTail(-DOUBLE_RELU_SHIFT) : 1;
  const power = recipe.shape.activation === 'relu2' ? 2 : 1;
  const unit = mean(firing.deviations) / normOf(plan);
  const at = (ratio: number) => {
    const margin = marginFor(ratio, thresholds, seen, alsoNeeded);
    const quality = predictionQuality(thresholds, seen, margin, { alsoNeeded, power });
    return { margin: margin * unit, quality };
  };
  const chosen = at(overPrediction);
  const rows = POINTS.map(at);
  // A recall that does not grow any more says nothing new.
  const growing = rows.filter(
    ({ quality }, i) =>
      i === 0 || quality.recallValue > (rows[i - 1]?.quality.recallValue ?? 0) + 1e-6,
  );
  const points = new Float32Array(growing.length * CALIBRATION_COLUMNS);
  for (const [i, { margin, quality }] of growing.entries()) {
    const { recallValue, share } = quality;
    points.set([recallValue, share, chosen.margin - margin, recallValue], i * CALIBRATION_COLUMNS);
  }
  return { ...chosen, points };
}

function predictLayer(
  { geometry, pool }: ModelPlan,
  firing: FiringPlan,
  down: PredictorMatrix,
  { quality, margin, points }: Calibration,
): LowRankPredictor {
  const neurons = firing.offsets.length;
  const { constant, rank, gateConstant, gateRank } = geometry;
  const [constants, seen] = [constant / BLOCK, rank / BLOCK];
  const blocks = constants + seen;
  const values = new Uint8Array((neurons * blocks * BLOCK) / 2);
  const scale = new Uint16Array(neurons * blocks).fill(halfOfPower(gateRank));
  for (let neuron = 0; neuron < neurons; neuron++) {
    const first = neuron * blocks;
    const offset = firing.offsets[neuron] as number;
    values.set(nibblesOf(pool.steps(offset, seen)), ((first + constants) * BLOCK) / 2);
    if (constants === 0) continue;
    values.set(nibblesOf(constantSteps(firing.steps[neuron] as number)), (first * BLOCK) / 2);
    scale[first] = halfOfPower(gateConstant);
  }
  const biased = constant === 0;
  return {
    kind: 'factorised',
    reads: 'same-layer',
    heldOut: {
      recallCount: quality.recallCount,
      recallValue: quality.recallValue,
      overPrediction: quality.overPrediction,
      tokens: 0, // it follows from what was planted
      density: mean(firing.rates),
    },
    down,
    up: { type: 'Q4_0', rows: neurons, columns: blocks * BLOCK, values, scale },
    threshold: biased ? firing.biases.map((bias) => -bias - margin) : Float32Array.of(-margin),
    calibration: points,
  };
}

/** Takes the first columns as they are. */
function selectColumns({ constant, rank }: Geometry, width: number): PredictorMatrix {
  const rows = constant + rank;
  const values = new Uint8Array((rows * width) / 2).fill(0x88); // zeros
  const one = 9;
  for (let row = 0; row < rows; row++) {
    const column = row % BLOCK;
    const byte = (row * width) / 2 + (Math.floor(row / BLOCK) * BLOCK) / 2 + (column % 16);
    values[byte] = column < 16 ? 0x80 | one : (one << 4) | 0x08;
  }
  const scale = new Uint16Array((rows * width) / BLOCK).fill(halfOfPower(0));
  return { type: 'Q4_0', rows, columns: width, values, scale };
}

/** Share of a gate's variance that lies in the rank columns. */
function seenShare({ rank, strong, weak, gateRank, gateStrong }: Geometry): number {
  const seen = rank * 4 ** gateRank;
  return seen / (seen + (strong + weak / 4) * 4 ** gateStrong);
}

/** What the norm divides deviations by: 1 where they are those after it. */
function normOf({ geometry, recipe }: ModelPlan): number {
  const { constant, embedding, embeddingConstant } = geometry;
  if (constant === 0) return 1;
  const width = recipe.shape.dModel;
  const energy =
    (width - constant) * STEP_VARIANCE * 4 ** embedding +
    constant * LARGEST_STEP ** 2 * 4 ** embeddingConstant;
  return Math.sqrt(energy / width);
}

function sample(sorted: Float64Array): Float64Array {
  const count = Math.min(SAMPLED, sorted.length);
  return Float64Array.from(
    { length: count },
    (_, i) => sorted[Math.floor(((i + 0.5) * sorted.length) / count)] as number,
  );
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

import { STEP_KURTOSIS, STEP_VARIANCE } from './pool.js';
import type { Recipe } from './recipe.js';
import { plantsSparsity, type SyntheticActivation } from './shapes.js';
import { BLOCK, LARGEST_STEP } from './weight-types.js';

/**
 * Where in the columns of the hidden state things are planted, and the scales of all matrices, as
 * exponents of two.
 *
 * Columns: `constant` ones that are the same for every token and replace biases where the
 * architecture has none, then `rank` ones that tell most of what will fire, then the rest, in two
 * parts of different weight, so that the share of the rank columns comes out right.
 */
export interface Geometry {
  constant: number;
  rank: number;
  /** Columns of the rest with the greater weight. */
  strong: number;
  weak: number;
  /** Of embeddings: the random columns, and the constant ones. */
  embedding: number;
  embeddingConstant: number;
  /** Of the matrix that decides what fires, by columns. */
  gateConstant: number;
  gateRank: number;
  gateStrong: number;
  /** Of the other matrices that read the hidden state; the constant columns only of up with a double ReLU. */
  input: number;
  inputConstant: number;
  head: number;
  attentionOutput: number;
  down: number;
  position: number;
  /** Excess kurtosis of what the random columns add to a gate. */
  kurtosis: number;
}

// What all layers together add to the residual stream, as a share of its energy, attention and FFN
// each at most. So the rates hold in every layer; they need no correction for growth.
const ADDED_ENERGY = 5e-4;
// The embedding lies far above the outputs of layers, so that all scales stay normal half floats.
const EMBEDDING_EXPONENT = 4;
// Constant columns take at most this share of an embedding's energy …
const CONSTANT_SHARE = 0.15;
// … and reach thresholds of this many standard deviations.
const REACH = 4.5;

/** How far above zero the up rows of a double ReLU are planted, in standard deviations. */
export const DOUBLE_RELU_SHIFT = 2.5;

// Mean square of an activation that is not zero: an upper bound, for inputs of unit variance.
const MEAN_SQUARE: Record<SyntheticActivation, number> = { silu: 1, relu: 1, drelu: 8, relu2: 5 };

export function planGeometry(recipe: Recipe): Geometry {
  const { shape, rank, predictability, layers, sparsity } = recipe;
  const constant = shape.arch === 'opt' ? 0 : BLOCK;
  const random = shape.dModel - constant;
  const rest = random - rank;
  const gateRank = nearest(Math.sqrt(predictability / (rank * STEP_VARIANCE)));
  // Energy that the rest is to have, per column, beside that of the rank columns.
  const wanted = (((1 - predictability) / predictability) * rank * 4 ** gateRank) / rest;
  const gateStrong = Math.ceil(Math.log2(wanted) / 2 - 1e-9);
  const strongShare = (wanted / 4 ** gateStrong - 0.25) / 0.75;
  const strong = BLOCK * Math.round((strongShare * rest) / BLOCK);
  const gateEnergy = rank * 4 ** gateRank + (strong + (rest - strong) / 4) * 4 ** gateStrong;
  const fourth = rank * 16 ** gateRank + (strong + (rest - strong) / 16) * 16 ** gateStrong;

  const constantLimit = (CONSTANT_SHARE * random * STEP_VARIANCE) / (BLOCK * LARGEST_STEP ** 2);
  const embeddingConstant = EMBEDDING_EXPONENT + Math.floor(Math.log2(constantLimit) / 2);
  const input = nearest(1 / Math.sqrt(random * STEP_VARIANCE));
  const perLayer = (ADDED_ENERGY / layers) * 4 ** EMBEDDING_EXPONENT;
  const active = activeNeurons() * MEAN_SQUARE[shape.activation];
  return {
    constant,
    rank,
    strong,
    weak: rest - strong,
    embedding: EMBEDDING_EXPONENT,
    embeddingConstant,
    gateConstant: reaching(gateEnergy),
    gateRank,
    gateStrong,
    input,
    inputConstant: reaching(random * 4 ** input),
    head: input + 2,
    attentionOutput: below(perLayer / (shape.heads * shape.headDim)),
    down: below(perLayer / active),
    position: EMBEDDING_EXPONENT - 6,
    // The sum's own, and that all tokens are of one length.
    kurtosis:
      ((STEP_KURTOSIS - 3) * STEP_KURTOSIS * fourth) / gateEnergy ** 2 -
      (3 * (STEP_KURTOSIS - 1)) / random,
  };

  /** The least exponent of constant columns that reach thresholds of a row of this energy. */
  function reaching(energy: number): number {
    const deviation = STEP_VARIANCE * Math.sqrt(energy) * 2 ** EMBEDDING_EXPONENT;
    const most = BLOCK * LARGEST_STEP ** 2 * 2 ** embeddingConstant;
    return Math.ceil(Math.log2((REACH * deviation) / most));
  }

  function activeNeurons(): number {
    const { nFf, experts } = shape;
    const density = plantsSparsity(shape) ? 1 - sparsity : 1;
    return density * (experts ? experts.used * nFf + experts.sharedFf : nFf);
  }
}

/** The exponent of the power of two nearest to a number. */
function nearest(value: number): number {
  return Math.round(Math.log2(value));
}

/** The greatest exponent whose square is not above a number. */
function below(square: number): number {
  return Math.floor(Math.log2(square) / 2);
}

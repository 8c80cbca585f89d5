import { DOUBLE_RELU_SHIFT, type Geometry } from './geometry.js';
import { normalTail, sumQuantile, sumTail } from './normal.js';
import { type Pool, STEP_VARIANCE } from './pool.js';
import { powerLawRates } from './power-law.js';
import { Random } from './random.js';
import type { Recipe } from './recipe.js';
import { BLOCK, LARGEST_STEP } from './weight-types.js';

/** What decides the firings of one block of neurons: an FFN, or one expert. */
export interface FiringPlan {
  /** Where in the pool each neuron's random columns begin, in blocks. [neurons] */
  offsets: Uint32Array;
  /** Sum of the steps in the constant columns; nothing where there are biases. [neurons] */
  steps: Int16Array;
  /** Biases where the architecture has them, otherwise zeros. [neurons] */
  biases: Float32Array;
  /** Standard deviation of the random part: after the norm where there are biases, before it else. [neurons] */
  deviations: Float64Array;
  /** What the random part has to exceed, in its standard deviations. [neurons] */
  thresholds: Float64Array;
  /** Probability that a random token makes it fire. [neurons] */
  rates: Float64Array;
}

/**
 * Thresholds by rank, in standard deviations: the same in every layer, dealt to other neurons
 * unless the recipe has them in order.
 */
export class FiringPlanner {
  readonly #thresholds: Float64Array;
  /** Up rows of a double ReLU are positive that often. */
  readonly #upRate: number;
  /** What one step of the constant columns adds, in raw units of the residual stream. */
  readonly #perStep: number;
  readonly #bias: number;

  constructor(
    readonly recipe: Recipe,
    readonly geometry: Geometry,
    readonly pool: Pool,
    neurons: number,
  ) {
    const { shape, sparsity, skew } = recipe;
    this.#upRate = shape.activation === 'drelu' ? normalTail(-DOUBLE_RELU_SHIFT) : 1;
    const rates = powerLawRates(neurons, (1 - sparsity) / this.#upRate, skew);
    this.#thresholds = rates.map((rate) => sumQuantile(rate, geometry.kurtosis));
    this.#bias = geometry.constant === 0 ? 2 ** -12 : 0;
    this.#perStep = LARGEST_STEP * 2 ** (geometry.embeddingConstant + geometry.gateConstant);
  }

  /** @param name - of the tensor that decides, as in the file, and the expert */
  plan(name: string): FiringPlan {
    const { geometry, pool } = this;
    const random = new Random(this.recipe.seed, name);
    const thresholds = this.#thresholds.slice();
    if (this.recipe.order === 'random') random.shuffle(thresholds);
    const neurons = thresholds.length;
    const blocks = (this.recipe.shape.dModel - geometry.constant) / BLOCK;
    const plan: FiringPlan = {
      offsets: Uint32Array.from({ length: neurons }, () => random.below(pool.blocks - blocks)),
      steps: new Int16Array(neurons),
      biases: new Float32Array(neurons),
      deviations: new Float64Array(neurons),
      thresholds: new Float64Array(neurons),
      rates: new Float64Array(neurons),
    };
    for (let neuron = 0; neuron < neurons; neuron++) {
      const deviation = this.#deviation(plan.offsets[neuron] as number);
      const threshold = this.#place(plan, neuron, (thresholds[neuron] as number) * deviation);
      plan.deviations[neuron] = deviation;
      plan.thresholds[neuron] = threshold / deviation;
      plan.rates[neuron] = this.#upRate * sumTail(threshold / deviation, geometry.kurtosis);
    }
    return plan;
  }

  /** Puts a threshold where the architecture can hold it, and gives what became of it. */
  #place(plan: FiringPlan, neuron: number, threshold: number): number {
    if (this.#bias > 0) {
      // A coarse grid, so that the last bit of a logarithm cannot change a byte of the file.
      const bias = -Math.round(threshold / this.#bias) * this.#bias;
      plan.biases[neuron] = bias;
      return -bias;
    }
    const most = BLOCK * LARGEST_STEP;
    const steps = Math.max(-most, Math.min(most, -Math.round(threshold / this.#perStep)));
    plan.steps[neuron] = steps;
    return -steps * this.#perStep;
  }

  // Of the random columns' sum over tokens: after the norm where there is a bias, before it else.
  #deviation(offset: number): number {
    const { rank, strong, weak, gateRank, gateStrong, embedding, constant } = this.geometry;
    const [r, s, w] = [rank / BLOCK, strong / BLOCK, weak / BLOCK];
    const energy =
      this.pool.energy(offset, r) * 4 ** gateRank +
      this.pool.energy(offset + r, s) * 4 ** gateStrong +
      this.pool.energy(offset + r + s, w) * 4 ** (gateStrong - 1);
    return (
      Math.sqrt(constant === 0 ? energy : energy * STEP_VARIANCE) *
      (constant === 0 ? 1 : 2 ** embedding)
    );
  }
}

import { checkWhole, invalidOption } from '@thermocline/contracts';
import { SHAPES, type ShapeName, type SyntheticShape } from './shapes.js';
import { BLOCK } from './weight-types.js';

/** Changes whenever the same options give other numbers. Files carry it. */
export const RECIPE_VERSION = 1;

/** How the neurons of a layer stand in the file: dealt at random, or as packing by a plan leaves them. */
export const NEURON_ORDERS = ['random', 'hottest-first'] as const;
export type NeuronOrder = (typeof NEURON_ORDERS)[number];

/** What is planted. Left out: what the shape says, or the defaults named here. */
export interface PlantOptions {
  /** Share of the neurons that a token leaves at zero. */
  sparsity?: number;
  /** Exponent of the power law that firing rates follow; 0.8. */
  skew?: number;
  /** Columns that predict which neurons fire, a multiple of 32; a seventh of the width. */
  rank?: number;
  /** Share of what decides a firing that lies in these columns; 0.95. */
  predictability?: number;
  /** `random`. */
  order?: NeuronOrder;
  /** Layers, where not as many as the shape has. */
  layers?: number;
  /** Same seed, same bytes; 1. */
  seed?: number;
}

/** Everything that the numbers of a file follow from. */
export interface Recipe extends Required<PlantOptions> {
  name: ShapeName;
  shape: SyntheticShape;
}

/**
 * Fills in what was left out.
 *
 * @throws PipelineError `INVALID_ARGUMENT` naming the option
 */
export function resolveRecipe(name: string, options: PlantOptions = {}): Recipe {
  if (!Object.hasOwn(SHAPES, name)) {
    const known = Object.keys(SHAPES).join(', ');
    throw invalidOption('shape', `${JSON.stringify(name)} is not known; there are ${known}`);
  }
  const shape: SyntheticShape = SHAPES[name as ShapeName];
  const { sparsity = shape.sparsity, skew = 0.8, predictability = 0.95, seed = 1 } = options;
  const { order = 'random' } = options;
  const { layers = shape.layers, rank = BLOCK * Math.round(shape.dModel / 7 / BLOCK) } = options;
  checkNumber('sparsity', sparsity, 0.1, 0.999);
  checkNumber('skew', skew, 0, 2);
  checkNumber('predictability', predictability, 0.05, 0.99);
  checkWhole('layers', layers, 1, 512);
  checkWhole('seed', seed, 0, 2 ** 32 - 1);
  checkWhole('rank', rank, BLOCK, shape.dModel / 2);
  if (rank % BLOCK !== 0)
    throw invalidOption('rank', `must be a multiple of ${BLOCK}, not ${rank}`);
  if (!NEURON_ORDERS.includes(order)) {
    const known = NEURON_ORDERS.join(', ');
    throw invalidOption('order', `must be one of ${known}, not ${String(order)}`);
  }
  const planted = { sparsity, skew, rank, predictability, order, layers, seed };
  return { name: name as ShapeName, shape, ...planted };
}

function checkNumber(argument: string, value: number, lowest: number, highest: number): void {
  if (value >= lowest && value <= highest) return;
  throw invalidOption(argument, `must be from ${lowest} to ${highest}, not ${String(value)}`);
}

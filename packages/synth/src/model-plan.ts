import { type FiringPlan, FiringPlanner } from './firing-plan.js';
import { type Geometry, planGeometry } from './geometry.js';
import { Pool } from './pool.js';
import { Random } from './random.js';
import type { Recipe } from './recipe.js';

const SMALLEST_POOL = 2 ** 18;
const LARGEST_POOL = 2 ** 23;

/** What all tensors of a file are made from. Random numbers are drawn when first asked for. */
export class ModelPlan {
  readonly geometry: Geometry;
  #pool: Pool | undefined;
  #planner: FiringPlanner | undefined;

  constructor(readonly recipe: Recipe) {
    this.geometry = planGeometry(recipe);
  }

  /** What every matrix but the embeddings is copied from. */
  get pool(): Pool {
    this.#pool ??= makePool(this.recipe, 'weights');
    return this.#pool;
  }

  /** What decides the firings of a layer, or of one of its experts. */
  firing(layer: number, expert?: number): FiringPlan {
    const { recipe, geometry, pool } = this;
    this.#planner ??= new FiringPlanner(recipe, geometry, pool, recipe.shape.nFf);
    const part = expert === undefined ? '' : `.${expert}`;
    return this.#planner.plan(`blk.${layer}.firing${part}`);
  }
}

/** The layers that have neurons: of a mixture every second one, attention lying between. */
export function ffnLayers({ shape, layers }: Recipe): number[] {
  const all = Array.from({ length: layers }, (_, layer) => layer);
  return shape.experts ? all.filter((layer) => layer % 2 === 1) : all;
}

/** @param use - pools of different uses share nothing, so that no row meets its own copy */
export function makePool({ shape, seed }: Recipe, use: string): Pool {
  const wanted = 2 ** Math.ceil(Math.log2(4 * shape.dModel * shape.nFf));
  const size = Math.min(LARGEST_POOL, Math.max(SMALLEST_POOL, wanted));
  return new Pool(size, new Random(seed, `pool of ${use}`));
}

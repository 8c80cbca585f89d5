import type { FiringCurve } from './firing-curve.js';
import { DECISIONS, priceLayer } from './latency-dual.js';
import type { DenseTier, PlacementProblem } from './problem.js';
import type { ByTier } from './relax-neurons.js';

/** One layer decides otherwise. */
interface Flip {
  layer: number;
  option: number;
  /** Relative change of all prices at which it does. */
  at: number;
  /** How much the Lagrange function rises by it at the unchanged prices. */
  rise: number;
}

interface LayerOption {
  decision: number;
  cost: number;
  /** Price of the bytes it takes. */
  priced: number;
}

/** Whole decisions for all layers, ordered by how much they save on scarce memory. */
export interface DecisionPath {
  /** Flips below and above the prices' own decisions: positions −below … above. */
  below: number;
  above: number;
  /** [layers] */
  decisionsAt(position: number): number[];
  /** At least so much slower than the Lagrange bound is every choice with these decisions. */
  riseAt(position: number): number;
}

/**
 * Whether the GPU takes part in a layer, or takes it all, is decided as a whole. What is best at the
 * prices rarely meets the budgets: layers that are alike all decide alike. The path lists the
 * decisions that follow when all prices rise or fall, one layer at a time.
 *
 * @param dense - tier of each layer's dense part. [layers]
 */
export function decisionPath(
  problem: PlacementProblem,
  curves: readonly FiringCurve[],
  prices: ByTier,
  dense: readonly DenseTier[],
): DecisionPath {
  const layers: LayerOption[][] = problem.layers.map((layer, index) =>
    priceLayer(layer, curves[index] as FiringCurve, prices)
      .filter(({ decision }) => DECISIONS[decision]?.dense === dense[index])
      .map(({ decision, cost, bytes }) => ({
        decision,
        cost,
        priced: bytes[0] * prices[0] + bytes[1] * prices[1] + bytes[2] * prices[2],
      })),
  );
  const start = layers.map(cheapest);
  const above = flips(layers, start, 1);
  const below = flips(layers, start, -1);
  const flipsTo = (position: number) =>
    position > 0 ? above.slice(0, position) : below.slice(0, -position);
  return {
    below: below.length,
    above: above.length,
    decisionsAt(position) {
      const options = [...start];
      for (const { layer, option } of flipsTo(position)) options[layer] = option;
      return options.map((option, layer) => layers[layer]?.[option]?.decision as number);
    },
    riseAt: (position) => flipsTo(position).reduce((sum, { rise }) => sum + rise, 0),
  };
}

function cheapest(options: readonly LayerOption[]): number {
  let best = 0;
  for (const [index, { cost }] of options.entries())
    if (cost < (options[best]?.cost as number)) best = index;
  return best;
}

/** The options that each layer takes next as prices move in `direction`, nearest first. */
function flips(
  layers: readonly LayerOption[][],
  start: readonly number[],
  direction: 1 | -1,
): Flip[] {
  const all: Flip[] = [];
  for (const [layer, options] of layers.entries()) {
    let option = start[layer] as number;
    for (;;) {
      const now = options[option] as LayerOption;
      let next: Flip | undefined;
      for (const [index, other] of options.entries()) {
        const saved = direction * (now.priced - other.priced);
        if (!(saved > 0)) continue;
        const at = (other.cost - now.cost) / saved;
        if (next === undefined || at < next.at)
          next = { layer, option: index, at, rise: other.cost - now.cost };
      }
      if (next === undefined) break;
      all.push(next);
      option = next.option;
    }
  }
  return all.sort((a, b) => a.at - b.at);
}

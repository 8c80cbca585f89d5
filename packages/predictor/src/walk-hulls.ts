import { type HullPoint, slopeBetween } from './score-hull.js';

interface Segment {
  layer: number;
  from: HullPoint;
  to: HullPoint;
  slope: number;
}

/**
 * Opens the thresholds of all layers together, always where the next predicted neuron finds most
 * value, and stops at goals on the way. That is the best for each of them: the layers share one
 * price of value, and a concave curve has one best point for each price.
 *
 * @param hulls - of the layers that predict
 * @param measure - what is to reach the goals, summed over layers; grows along a hull and is linear in it
 * @param goals - ascending
 * @param weights - what a unit of each layer's value counts
 * @returns where every layer stands at each goal. [goals][hulls]
 */
export function walkHulls(
  hulls: readonly (readonly HullPoint[])[],
  measure: (point: HullPoint) => number,
  goals: readonly number[],
  weights: readonly number[] = hulls.map(() => 1),
): HullPoint[][] {
  const state = hulls.map((hull) => hull[0] as HullPoint);
  const segments = hulls
    .flatMap((hull, layer) => segmentsOf(hull, layer, weights[layer] as number))
    .sort((a, b) => b.slope - a.slope || a.layer - b.layer);
  let reached = state.reduce((sum, point) => sum + measure(point), 0);
  let next = 0;
  return goals.map((goal) => {
    while (next < segments.length) {
      const { layer, from, to } = segments[next] as Segment;
      const gain = measure(to) - measure(from);
      if (reached >= goal || reached + gain > goal) break;
      state[layer] = to;
      reached += gain;
      next++;
    }
    const stop = [...state];
    const segment = segments[next];
    if (segment === undefined || goal <= reached) return stop;
    const { layer, from, to } = segment;
    stop[layer] = pointBetween(from, to, (goal - reached) / (measure(to) - measure(from)));
    return stop;
  });
}

function segmentsOf(hull: readonly HullPoint[], layer: number, weight: number): Segment[] {
  return hull.slice(1).map((to, index) => {
    const from = hull[index] as HullPoint;
    return { layer, from, to, slope: weight * slopeBetween(from, to) };
  });
}

function pointBetween(from: HullPoint, to: HullPoint, share: number): HullPoint {
  const at = (key: keyof HullPoint) => from[key] + share * (to[key] - from[key]);
  return { shift: at('shift'), predicted: at('predicted'), hits: at('hits'), value: at('value') };
}

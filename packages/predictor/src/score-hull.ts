import type { ScoreCurve } from '@thermocline/contracts';

/** A point of a curve that is worth being at, per token. */
export interface HullPoint {
  shift: number;
  predicted: number;
  hits: number;
  value: number;
}

/**
 * The least concave curve above (predicted, value): whatever the price of a predicted neuron, the
 * best threshold is one of its points. From few predicted to many.
 */
export function scoreHull(curve: ScoreCurve): HullPoint[] {
  const { tokens, shifts, predicted, hits, hitValue } = curve;
  const hull: HullPoint[] = [];
  // Shifts ascend, so what is predicted descends.
  for (let i = shifts.length - 1; i >= 0; i--) {
    const point: HullPoint = {
      shift: shifts[i] as number,
      predicted: (predicted[i] as number) / tokens,
      hits: (hits[i] as number) / tokens,
      value: (hitValue[i] as number) / tokens,
    };
    if (hull.length > 0 && point.predicted <= (hull.at(-1) as HullPoint).predicted) continue;
    while (hull.length > 1 && isBelow(hull.at(-2) as HullPoint, hull.at(-1) as HullPoint, point)) {
      hull.pop();
    }
    hull.push(point);
  }
  return hull;
}

/** Value gained per neuron from one point to the next. */
export function slopeBetween(from: HullPoint, to: HullPoint): number {
  return (to.value - from.value) / (to.predicted - from.predicted);
}

/** Whether the middle one of three points lies on or below the line between the others. */
function isBelow(before: HullPoint, middle: HullPoint, after: HullPoint): boolean {
  return slopeBetween(before, middle) <= slopeBetween(middle, after);
}

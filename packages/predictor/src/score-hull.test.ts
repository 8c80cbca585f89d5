import type { ScoreCurve } from '@thermocline/contracts';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { scoreHull, slopeBetween } from './score-hull.js';
import { walkHulls } from './walk-hulls.js';

/** Steps from one point to the next; the first point predicts nothing. */
const steps = fc.array(fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 0, max: 9 })), {
  minLength: 1,
  maxLength: 8,
});

function curveOf(list: [number, number][]): ScoreCurve {
  const points = [{ predicted: 0, value: 0 }];
  for (const [neurons, value] of list) {
    const last = points.at(-1) as (typeof points)[0];
    points.push({ predicted: last.predicted + neurons, value: last.value + value });
  }
  points.reverse();
  const predicted = Float64Array.from(points, (point) => point.predicted);
  const hitValue = Float64Array.from(points, (point) => point.value);
  const shifts = Float32Array.from(points, (_, i) => i - 3);
  const [firing, firingValue] = [predicted[0] as number, hitValue[0] as number];
  return { tokens: 2, firing, firingValue, shifts, predicted, hits: predicted, hitValue };
}

it('a hull bends down, lies above all points and goes through its own', () => {
  fc.assert(
    fc.property(steps, (list) => {
      const curve = curveOf(list);
      const hull = scoreHull(curve);
      for (let i = 2; i < hull.length; i++) {
        const [a, b, c] = hull.slice(i - 2, i + 1) as [
          (typeof hull)[0],
          (typeof hull)[0],
          (typeof hull)[0],
        ];
        expect(slopeBetween(a, b)).toBeGreaterThan(slopeBetween(b, c));
      }
      const points = [...curve.predicted].map((predicted, i) => {
        return `${curve.shifts[i]} ${predicted / 2} ${(curve.hitValue[i] as number) / 2}`;
      });
      for (const { shift, predicted, value } of hull) {
        expect(points).toContain(`${shift} ${predicted} ${value}`);
      }
      for (const price of [0, 0.3, 1, 4]) {
        const best = Math.max(...hull.map(({ predicted, value }) => value - price * predicted));
        const all = [...curve.predicted].map((predicted, i) => {
          return (curve.hitValue[i] as number) / 2 - (price * predicted) / 2;
        });
        // Of points that predict the same, only the highest threshold counts.
        const first = list[0]?.[0] === 0;
        if (!first && list.every(([neurons]) => neurons > 0)) {
          expect(best).toBeCloseTo(Math.max(...all), 9);
        }
      }
    }),
  );
});

it('thresholds opened together reach every goal exactly, with the fewest neurons', () => {
  const layer = fc.array(fc.tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 0, max: 9 })), {
    minLength: 1,
    maxLength: 5,
  });
  fc.assert(
    fc.property(
      fc.array(layer, { minLength: 1, maxLength: 3 }),
      fc.double({ min: 0.05, max: 1, noNaN: true }),
      (layers, share) => {
        const hulls = layers.map((list) => scoreHull(curveOf(list)));
        const total = hulls.reduce((sum, hull) => sum + (hull.at(-1)?.value ?? 0), 0);
        const goals = [0.5 * share * total, share * total];
        const stops = walkHulls(hulls, ({ value }) => value, goals);
        for (const [i, stop] of stops.entries()) {
          const value = stop.reduce((sum, point) => sum + point.value, 0);
          expect(value).toBeCloseTo(goals[i] as number, 9);
          const predicted = stop.reduce((sum, point) => sum + point.predicted, 0);
          // Every choice of whole points that reaches the goal predicts at least as many.
          const choices = hulls.reduce<{ value: number; predicted: number }[]>(
            (sums, hull) =>
              sums.flatMap((sum) =>
                hull.map((p) => ({
                  value: sum.value + p.value,
                  predicted: sum.predicted + p.predicted,
                })),
              ),
            [{ value: 0, predicted: 0 }],
          );
          const fewest = Math.min(
            ...choices.filter((c) => c.value >= (goals[i] as number)).map((c) => c.predicted),
          );
          expect(predicted).toBeLessThanOrEqual(fewest + 1e-9);
        }
      },
    ),
  );
});

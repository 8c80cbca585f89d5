import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Candidate,
  chooseWidths,
  overPredictionOf,
  recallOf,
  type WidthProblem,
} from './choose-widths.js';

/** A predictor that needs `over` neurons for each that fires to find all but `1 / rank` of the value. */
function candidate(rank: number, firing: number, over: number): Candidate {
  const points = Array.from({ length: 21 }, (_, i) => {
    const share = i / 20;
    // The first neurons find most.
    const found = 1 - (1 - share) ** 1.5;
    return { predicted: over * firing * share, hits: firing * found, value: 10 * found };
  });
  points.push({ predicted: 200, hits: firing, value: 10 });
  return { rank, size: rank, bytes: 4 * rank, points };
}

function problemOf(overrides: Partial<WidthProblem> = {}): WidthProblem {
  const { predictedBytes = 16 } = overrides;
  const layer = (firing: number, ease: number) => ({
    firing,
    value: 10,
    bytesWithout: 200 * predictedBytes + firing * 32,
    candidates: [32, 64, 96, 128].map((rank) => candidate(rank, firing, ease * (1 + 40 / rank))),
  });
  return {
    layers: [layer(20, 1), layer(40, 1.2), layer(60, 1.1)],
    predictedBytes,
    firingBytes: 32,
    budget: 1e9,
    recall: 0.95,
    overPrediction: 1e9,
    ...overrides,
  };
}

const sizeOf = (chosen: ReturnType<typeof chooseWidths>) =>
  chosen.reduce((sum, { candidate: one }) => sum + (one?.size ?? 0), 0);
const bytesOf = (chosen: ReturnType<typeof chooseWidths>) =>
  chosen.reduce((sum, { bytes }) => sum + bytes, 0);

describe('chooseWidths', () => {
  it('keeps the limits and reads close to the least of all choices', () => {
    const limits = fc.record({
      budget: fc.integer({ min: 96, max: 400 }),
      recall: fc.double({ min: 0.7, max: 0.99, noNaN: true }),
      predictedBytes: fc.integer({ min: 4, max: 40 }),
    });
    fc.assert(
      fc.property(limits, (chosen) => {
        const problem = problemOf(chosen);
        const widths = chooseWidths(problem);
        expect(sizeOf(widths)).toBeLessThanOrEqual(problem.budget);
        expect(recallOf(problem, widths)).toBeGreaterThanOrEqual(problem.recall);
        expect(bytesOf(widths)).toBeLessThanOrEqual(1.1 * leastBytes(problem));
      }),
      { numRuns: 30 },
    );
  });

  it('predicts fewer neurons where that is asked for, at more bytes', () => {
    const free = problemOf();
    const strict = problemOf({ overPrediction: 1.25 });
    const [before, after] = [chooseWidths(free), chooseWidths(strict)];
    expect(overPredictionOf(free, before)).toBeGreaterThan(1.3);
    expect(overPredictionOf(strict, after)).toBeLessThanOrEqual(1.25);
    expect(bytesOf(after)).toBeGreaterThanOrEqual(bytesOf(before));
  });

  it('holds the recall also where it cannot predict as few neurons as asked', () => {
    const problem = problemOf({ overPrediction: 0.5, recall: 0.97, budget: 200 });
    const layers = problem.layers.map((layer) => ({ ...layer, bytesWithout: 1e9 }));
    const widths = chooseWidths({ ...problem, layers });
    expect(recallOf(problem, widths)).toBeGreaterThanOrEqual(0.97);
    expect(sizeOf(widths)).toBeGreaterThan(150);
  });

  it('leaves a layer without a predictor where none pays', () => {
    const problem = problemOf();
    const dense = { ...(problem.layers[1] as (typeof problem.layers)[0]), bytesWithout: 100 };
    const widths = chooseWidths({ ...problem, layers: [problem.layers[0] as typeof dense, dense] });
    expect(widths.map(({ candidate: one }) => one?.rank)).toEqual([expect.any(Number), undefined]);
    expect(widths[1]?.bytes).toBe(100);
  });

  it('gives every layer the narrowest when the budget holds no more and all must have one', () => {
    const problem = problemOf({ budget: 96 });
    const layers = problem.layers.map((layer) => ({
      ...layer,
      bytesWithout: Number.POSITIVE_INFINITY,
    }));
    const widths = chooseWidths({ ...problem, layers });
    expect(widths.map(({ candidate: one }) => one?.rank)).toEqual([32, 32, 32]);
  });
});

/** Of all choices of widths and points. */
function leastBytes({ layers, predictedBytes, firingBytes, budget, recall }: WidthProblem): number {
  const total = layers.reduce((sum, { value }) => sum + value, 0);
  let states = [{ size: 0, bytes: 0, missed: 0 }];
  for (const layer of layers) {
    const options = [
      { size: 0, bytes: layer.bytesWithout, missed: 0 },
      ...layer.candidates.flatMap(({ size, bytes, points }) =>
        points.map((point) => ({
          size,
          bytes: bytes + point.predicted * predictedBytes + point.hits * firingBytes,
          missed: layer.value - point.value,
        })),
      ),
    ];
    states = states.flatMap((state) =>
      options
        .map((option) => ({
          size: state.size + option.size,
          bytes: state.bytes + option.bytes,
          missed: state.missed + option.missed,
        }))
        .filter(({ size, missed }) => size <= budget && missed <= (1 - recall) * total),
    );
  }
  return states.reduce((least, { bytes }) => Math.min(least, bytes), Number.POSITIVE_INFINITY);
}

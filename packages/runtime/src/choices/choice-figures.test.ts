import { describe, expect, it } from 'vitest';
import { ChoiceTally, toOutcome } from './choice-figures.js';

describe('toOutcome', () => {
  it('normalises by characters: a long choice loses by its sum and wins by its mean', () => {
    const outcome = toOutcome([-6, -8], null, [4, 16]);
    expect(outcome).toMatchObject({ chosen: 0, chosenNorm: 1, chosenMutual: null });
  });

  it('takes off what a choice is worth without the question', () => {
    const outcome = toOutcome([-2, -5, -6], [-1, -3, -6.5], [1, 1, 1]);
    expect(outcome).toMatchObject({ chosen: 0, chosenMutual: 2 });
  });

  it('takes the first of equals, as NumPy does', () => {
    expect(toOutcome([-1, -1], null, [2, 2])).toMatchObject({ chosen: 0, chosenNorm: 0 });
  });
});

describe('ChoiceTally', () => {
  const choose = (chosen: number) => toOutcome(chosen === 0 ? [0, -1] : [-1, 0], null, [1, 1]);

  it('gives accuracies with the standard error of the harness, and compares task by task', () => {
    const tally = new ChoiceTally(['dense', 'predicted']);
    // Right: dense on 3 of 4, predicted on 2 of 4; they agree on 3.
    tally.add(0, [choose(0), choose(0)]);
    tally.add(0, [choose(0), choose(1)]);
    tally.add(1, [choose(1), choose(1)]);
    tally.add(1, [choose(0), choose(0)]);
    const [dense, predicted] = tally.scores();
    // Sample deviation of (1, 1, 1, 0) over the root of 4: 0.5 / 2.
    expect(dense).toMatchObject({
      accuracy: { mean: 0.75, standardError: 0.25 },
      accuracyMutual: null,
      comparison: null,
    });
    expect(predicted?.accuracy.mean).toBe(0.5);
    // Differences (0, −1, 0, 0).
    expect(predicted?.comparison).toMatchObject({
      with: 'dense',
      agreement: 0.75,
      difference: { mean: -0.25, standardError: 0.25 },
    });
  });

  it('knows no error from one task', () => {
    const tally = new ChoiceTally(['dense']);
    tally.add(0, [choose(0)]);
    expect(tally.scores()[0]?.accuracy).toEqual({ mean: 1, standardError: null });
  });
});

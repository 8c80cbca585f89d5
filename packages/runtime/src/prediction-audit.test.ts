import { expect, it } from 'vitest';
import { addAudit, noAudit, predictionQuality, requireAudit } from './prediction-audit.js';

// Layer 0: ten firings, of which 9 of 12 predicted ones; layer 1: nothing fired, three predicted.
const first = {
  tokens: 4,
  firing: [10, 0],
  predicted: [12, 3],
  hits: [9, 0],
  firingValue: [20, 0],
  hitValue: [19, 0],
};
const second = {
  ...first,
  firing: [30, 5],
  hits: [30, 4],
  firingValue: [60, 10],
  hitValue: [60, 9],
};

it('adds up and pools over layers', () => {
  const sum = noAudit(2);
  addAudit(sum, first);
  addAudit(sum, second);
  expect(sum).toEqual({
    tokens: 8,
    firing: [40, 5],
    predicted: [24, 6],
    hits: [39, 4],
    firingValue: [80, 10],
    hitValue: [79, 9],
  });
  expect(predictionQuality(sum)).toEqual({
    recallCount: 43 / 45,
    recallValue: 88 / 90,
    overPrediction: 30 / 45,
  });
  expect(predictionQuality(sum, 1)).toEqual({
    recallCount: 4 / 5,
    recallValue: 9 / 10,
    overPrediction: 6 / 5,
  });
});

it('has no recall of a layer where nothing fired', () => {
  const nothing = { recallCount: null, recallValue: null, overPrediction: null };
  expect(predictionQuality(first, 1)).toEqual(nothing);
  expect(predictionQuality(noAudit(3))).toEqual(nothing);
});

it('notices an engine that leaves the audit out', () => {
  expect(requireAudit(first, 'predicted')).toBe(first);
  expect(() => requireAudit(undefined, 'predicted')).toThrow(/did not audit mode "predicted"/);
});

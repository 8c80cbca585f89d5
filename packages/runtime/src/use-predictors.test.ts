import type { MeasuredLoss, PredictorSet } from '@thermocline/contracts';
import { samplePredictors } from '@thermocline/contracts/testing';
import { describe, expect, it } from 'vitest';
import {
  namedLoss,
  type OperatingPoint,
  placePredictors,
  readPredictors,
} from './use-predictors.js';

const loss = (perplexity: number, point: OperatingPoint = {}): MeasuredLoss => ({
  mode: 'predicted',
  ...point,
  perplexity,
  densePerplexity: 8,
  tokens: 1000,
});

function setWith(measured: MeasuredLoss[]): PredictorSet {
  return { ...samplePredictors(), measured };
}

function lossAt(measured: MeasuredLoss[], point: OperatingPoint, mode = 'predicted' as const) {
  const made = setWith(measured);
  return namedLoss({ made, set: made, point }, mode);
}

describe('what a predictor set costs', () => {
  const measured = [loss(8.4), loss(9, { recall: 0.9 }), loss(8.2, { recall: 0.98 })];

  it('is what was measured of it as it was made', () => {
    expect(lossAt(measured, {})).toMatchObject({ perplexity: 8.4, interpolated: false });
    expect(lossAt(measured, {})?.change).toBeCloseTo(0.05, 12);
  });

  it('is what was measured at that point', () => {
    expect(lossAt(measured, { recall: 0.9 })).toMatchObject({ perplexity: 9, interpolated: false });
  });

  it('lies between two points that were measured', () => {
    const between = lossAt(measured, { recall: 0.92 });
    expect(between?.perplexity).toBeCloseTo(8.8, 12);
    expect(between?.interpolated).toBe(true);
  });

  it('is not known elsewhere', () => {
    expect(lossAt(measured, { recall: 0.8 })).toBeNull();
    expect(lossAt(measured, { recall: 0.99 })).toBeNull();
    expect(lossAt(measured, { sparsity: 0.5 })).toBeNull();
    expect(lossAt([], {})).toBeNull();
    const made = setWith(measured);
    expect(namedLoss({ made, set: made, point: {} }, 'threshold')).toBeNull();
  });

  it('goes by sparsity where that was asked for', () => {
    const by = [loss(8.1, { sparsity: 0.25 }), loss(8.5, { sparsity: 0.5 })];
    expect(lossAt(by, { sparsity: 0.5 })?.perplexity).toBe(8.5);
    expect(lossAt(by, { sparsity: 0.3 })?.perplexity).toBeCloseTo(8.18, 12);
  });
});

describe('using a predictor set', () => {
  it('refuses one of another model', async () => {
    const set = samplePredictors();
    expect(await readPredictors(set, set.fingerprint)).toBe(set);
    await expect(readPredictors(set, 'another')).rejects.toMatchObject({
      code: 'ARTIFACT_MODEL_MISMATCH',
      details: { expected: 'another', found: set.fingerprint },
    });
  });

  it('refuses a recall and a sparsity at once', () => {
    expect(() => placePredictors(samplePredictors(), { recall: 0.9, sparsity: 0.5 })).toThrow(
      /either a recall or a sparsity/,
    );
  });
});

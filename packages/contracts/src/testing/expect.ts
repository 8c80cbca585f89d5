import { expect } from 'vitest';
import { type ErrorCode, isPipelineError } from '../errors.js';

/** Placements and ways of computing may differ by this share of the largest logit. */
export const TOLERANCE = 1e-4;

export function only(rows: readonly Float32Array[]): Float32Array {
  expect(rows).toHaveLength(1);
  return rows[0] as Float32Array;
}

export function expectClose(
  actual: Float32Array | undefined,
  expected: Float32Array | undefined,
): void {
  if (!actual || !expected) expect.fail('no logits');
  expect(actual).toHaveLength(expected.length);
  let [largest, difference] = [0, 0];
  for (const [i, value] of expected.entries()) {
    largest = Math.max(largest, Math.abs(value));
    difference = Math.max(difference, Math.abs(value - (actual[i] as number)));
  }
  expect(difference).toBeLessThanOrEqual(TOLERANCE * largest);
}

export async function expectCode(code: ErrorCode, action: () => unknown): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!isPipelineError(error)) throw error;
    expect(error.code).toBe(code);
    return;
  }
  expect.fail(`no error, expected ${code}`);
}

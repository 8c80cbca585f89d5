import { isPipelineError } from '@thermocline/contracts';
import { describe, expect, it } from 'vitest';
import type { SolveOptions } from './options.js';
import { resolveSettings } from './settings.js';
import { FLASH, GPU, machine, shape } from './testing/shapes.js';

const hardware = machine({ gpu: GPU, flash: FLASH });
const resolve = (options: SolveOptions, model = shape()) =>
  resolveSettings(model, hardware, options);

function codeOf(options: SolveOptions, model = shape()): string {
  try {
    resolve(options, model);
  } catch (error) {
    if (isPipelineError(error)) return error.code;
    throw error;
  }
  return 'none';
}

describe('resolveSettings', () => {
  it('fills in what was not asked for', () => {
    expect(resolve({}, shape({ context: 9000 }))).toMatchObject({
      objective: 'latency',
      mode: 'exact',
      contextTokens: 4096,
      kvType: 'f16',
      predictorBytes: [0, 0, 0, 0],
      overPrediction: 1.4,
      budgetBytes: { gpu: 14e6, cpu: 60e6, flash: 1e9 },
    });
    expect(resolve({}, shape({ activation: 'silu' })).mode).toBe('dense');
    expect(resolveSettings(shape(), machine(), {}).budgetBytes).toMatchObject({ gpu: 0, flash: 0 });
  });

  it('refuses budgets above what the machine has, with the numbers', () => {
    expect(codeOf({ vramBudgetBytes: 16e6 })).toBe('none');
    expect(codeOf({ vramBudgetBytes: 16e6 + 1 })).toBe('OUT_OF_MEMORY');
    expect(codeOf({ ramBudgetBytes: 64e6 + 1 })).toBe('OUT_OF_MEMORY');
    const ask = () => resolveSettings(shape(), machine(), { vramBudgetBytes: 1 });
    expect(ask).toThrow(/gpu budget of 1 bytes.*test-machine has no gpu/);
    expect(resolveSettings(shape(), machine(), { vramBudgetBytes: 0 }).budgetBytes.gpu).toBe(0);
  });

  it('says when a budget is above what is available now', () => {
    const notices: string[] = [];
    resolve({ vramBudgetBytes: 15e6, onNotice: (notice) => notices.push(notice) });
    expect(notices.join()).toMatch(/15000000 bytes, of which .* 14000000 available/);
  });

  it.each([
    [{ vramBudgetBytes: 1.5 }],
    [{ ramBudgetBytes: -1 }],
    [{ contextTokens: 0 }],
    [{ contextTokens: Number.NaN }],
    [{ overPrediction: 0.9 }],
    [{ overPrediction: Number.POSITIVE_INFINITY }],
    [{ timeLimitMs: 0 }],
    [{ predictorBytes: [1, 2] }],
    [{ predictorBytes: [1, 2, 3, -4] }],
    [{ mode: 'fast' }],
    [{ kvType: 'q8' }],
    [{ objective: 'speed' }],
    [{ method: 'guess' }],
  ])('refuses %o', (options) => {
    expect(codeOf(options as SolveOptions)).toBe('INVALID_ARGUMENT');
  });

  it('refuses exact mode where nothing is exactly zero', () => {
    expect(codeOf({ mode: 'exact' }, shape({ activation: 'silu' }))).toBe('MODE_UNSUPPORTED');
    expect(codeOf({ mode: 'exact' }, shape({ activation: 'relu2' }))).toBe('none');
  });
});

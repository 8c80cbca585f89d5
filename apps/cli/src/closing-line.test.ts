import type { EngineInfo, StepStats } from '@thermocline/contracts';
import { type ModelResult, summarizeGeneration } from '@thermocline/runtime';
import { expect, it } from 'vitest';
import { closingLine } from './closing-line.js';

const stats: StepStats = {
  tokens: 2,
  timeMs: 1,
  bytesRead: { gpu: 0, cpu: 0, flash: 0 },
  ffnBytesRead: { gpu: 0, cpu: 0, flash: 0 },
  ffnMs: 0,
  fired: [10, 20],
  neurons: [100, 100],
  computed: [15, 35],
  predictorBytes: [0, 0],
  predictorMs: [0, 0],
};

it.each([
  ['exact', '15.0 % of neurons fired'],
  ['predicted', '25.0 % of neurons computed'],
  ['threshold', '25.0 % of neurons computed'],
] as const)('says of mode %s only what it knows: %s', (mode, said) => {
  const result = {
    mode,
    tokens: [1, 2],
    promptTokens: Int32Array.of(1),
    tokenTimesMs: [1, 2],
    memory: [],
    prefill: stats,
    decode: stats,
  } as unknown as ModelResult;
  const info = { context: 512, contextSource: 'asked for' } as unknown as EngineInfo;
  expect(closingLine(info, result, summarizeGeneration(result))).toContain(` · ${said} · `);
});

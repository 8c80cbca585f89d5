import type { PlanExplanation } from '@thermocline/runtime';
import { expect, it } from 'vitest';
import { explanationLines } from './explanation.js';

const plan = {
  tiers: [],
  layers: [],
  parts: [],
  secondsPerToken: 1,
  tokensPerSecond: 1,
  hardware: 'a machine',
  mode: 'exact',
  contextTokens: 512,
} as unknown as PlanExplanation;

it.each([
  [1.0001, 'nothing more'],
  [1.5, '1.5 tokens/s, 50.0 % more'],
  [2.34, '2.34 tokens/s, 2.3 times as many'],
  [9.97, '9.97 tokens/s, 10 times as many'],
  [113.4, '113 tokens/s, 113 times as many'],
])('says what more memory buys, at %d times the speed', (tokensPerSecond, buys) => {
  const oneMoreGiB: PlanExplanation['oneMoreGiB'] = [
    { tier: 'cpu', tokensPerSecond, savedSeconds: 0, secondsPerToken: 1 },
  ];
  const lines = explanationLines({ ...plan, oneMoreGiB });
  expect(lines).toContain(`one more GiB of RAM would give ${buys}`);
});

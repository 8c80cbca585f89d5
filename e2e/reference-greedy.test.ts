import { describe, expect, test } from 'vitest';
import { runOracle } from './oracle/oracle.js';
import { loadOracleModel, type OracleModel } from './oracle/oracle-model.js';
import { type RunOutput, thermoclineJson } from './support/cli.js';
import { best } from './support/compare.js';
import { demo, missing, opt, type ReferencePrompt, swiglu } from './support/fixtures.js';

// Below this lead of the best token over the next, rounding may choose either.
const CLEAR_MARGIN = 0.02;

/** How many greedy tokens are beyond doubt: those before the first step with a narrow margin. */
function clearSteps(model: OracleModel, { ids, greedy_ids }: ReferencePrompt): number {
  const { logits } = runOracle(model, [...ids, ...greedy_ids.slice(0, -1)]);
  const margins = logits.slice(ids.length - 1).map((row) => best(row).margin);
  const narrow = margins.findIndex((margin) => margin < CLEAR_MARGIN);
  return narrow === -1 ? greedy_ids.length : narrow;
}

describe.each([demo, opt, swiglu])('`run` continues as the reference of $name does', (fixture) => {
  test.skipIf(missing(fixture.gguf))('greedily, up to the first narrow choice', async () => {
    const model = loadOracleModel(fixture.gguf);
    const sources = [fixture.gguf, fixture.huggingFace].filter((path) => !missing(path));
    let compared = 0;
    for (const prompt of fixture.reference().prompts) {
      const clear = clearSteps(model, prompt);
      compared += clear;
      for (const source of sources) await checkRun(source, prompt, clear);
    }
    // Most steps are clear; were they not, this test would compare nothing.
    expect(compared).toBeGreaterThan(150);
  });
});

async function checkRun(source: string, prompt: ReferencePrompt, clear: number): Promise<void> {
  const greedy = ['--temp', '0', '--ignore-eos', '-n', String(prompt.greedy_ids.length)];
  const run = await thermoclineJson<RunOutput>(['run', source, '-p', prompt.prompt, ...greedy]);
  expect(run.prompt_tokens).toBe(prompt.ids.length);
  expect(run.tokens).toHaveLength(prompt.greedy_ids.length);
  expect(run.tokens.slice(0, clear)).toEqual(prompt.greedy_ids.slice(0, clear));
  if (clear === prompt.greedy_ids.length) expect(run.text).toBe(prompt.greedy_text);
}

test('`run --json` reports what it cost', async () => {
  const args = ['run', demo.gguf, '-p', 'Once upon a time', '-n', '16', '--temp', '0'];
  const run = await thermoclineJson<RunOutput>(args);
  expect(run.mode).toBe('exact');
  expect(run.ffn_active_ratio).toBeGreaterThan(0.02);
  expect(run.ffn_active_ratio).toBeLessThan(0.3);
  expect(run.prefill_tps).toBeGreaterThan(0);
  expect(run.decode_tps).toBeGreaterThan(0);
  expect(run.ms_per_token.p99).toBeGreaterThanOrEqual(run.ms_per_token.p50);
  expect(run.tiers).toBeTruthy();
});

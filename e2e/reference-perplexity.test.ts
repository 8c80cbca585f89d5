import { describe, expect, test } from 'vitest';
import { type EvalOutput, thermoclineJson } from './support/cli.js';
import { demo, type Fixture, missing, opt, swiglu } from './support/fixtures.js';

const TOLERANCE = 1e-3;

async function checkPerplexity(model: string, fixture: Fixture, mode?: string): Promise<void> {
  const { ctx, ppl, nll, tokens } = fixture.reference().perplexity;
  const args = ['eval', model, '--text', fixture.slice, '--context', String(ctx)];
  const result = await thermoclineJson<EvalOutput>(mode ? [...args, '--mode', mode] : args);
  expect(result.tokens).toBe(tokens);
  expect(Math.abs(result.perplexity - ppl) / ppl).toBeLessThan(TOLERANCE);
  expect(Math.abs(result.nll - nll)).toBeLessThan(TOLERANCE);
  if (mode) expect(result.mode).toBe(mode);
}

describe.each([demo, opt, swiglu])('`eval` reproduces the perplexity of $name', (fixture) => {
  test.skipIf(missing(fixture.gguf))('dense, from GGUF', () =>
    checkPerplexity(fixture.gguf, fixture, 'dense'),
  );

  test.skipIf(missing(fixture.gguf) || !fixture.relu)('exact, from GGUF', () =>
    checkPerplexity(fixture.gguf, fixture, 'exact'),
  );

  test.skipIf(missing(fixture.gguf) || missing(fixture.huggingFace))(
    'from the Hugging Face folder',
    () => checkPerplexity(fixture.huggingFace, fixture),
  );
});

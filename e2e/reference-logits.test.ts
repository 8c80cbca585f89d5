import { describe, expect, test } from 'vitest';
import { type LogitsOutput, thermoclineJson } from './support/cli.js';
import { expectSameTop } from './support/compare.js';
import { demo, type Fixture, missing, opt, swiglu } from './support/fixtures.js';

// KV entries are halves and arithmetic is single precision.
const TOLERANCE = 1e-3;

async function checkLogits(model: string, fixture: Fixture, extra: string[] = []): Promise<void> {
  for (const { prompt, ids, top10 } of fixture.reference().prompts) {
    const args = ['logits', model, '--prompt', prompt, '--top', '10', ...extra];
    const { tokens, top } = await thermoclineJson<LogitsOutput>(args);
    expect(tokens).toEqual(ids);
    expectSameTop(top, top10, TOLERANCE);
  }
}

describe.each([demo, opt, swiglu])('`logits` reproduces the reference of $name', (fixture) => {
  test.skipIf(missing(fixture.gguf))('from GGUF', () => checkLogits(fixture.gguf, fixture));

  test.skipIf(missing(fixture.gguf) || missing(fixture.huggingFace))(
    'from the Hugging Face folder',
    () => checkLogits(fixture.huggingFace, fixture),
  );

  test.skipIf(missing(fixture.gguf))('in dense mode', () =>
    checkLogits(fixture.gguf, fixture, ['--mode', 'dense']),
  );
});

test('`logits --tokens` takes the ids as they are', async () => {
  const [first] = demo.reference().prompts;
  const ids = first?.ids ?? [];
  const args = ['logits', demo.gguf, '--tokens', ids.join(','), '--top', '10'];
  const { tokens, top } = await thermoclineJson<LogitsOutput>(args);
  expect(tokens).toEqual(ids);
  expectSameTop(top, first?.top10 ?? [], TOLERANCE);
});

test('without a model, the demo model answers', async () => {
  const [first] = demo.reference().prompts;
  const args = ['logits', '--prompt', first?.prompt ?? '', '--top', '10'];
  const { top } = await thermoclineJson<LogitsOutput>(args);
  expectSameTop(top, first?.top10 ?? [], TOLERANCE);
});

import { join } from 'node:path';
import { inspectModel, openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { demo, missing, opt, swiglu } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';

const folder = temporaryFolder();

/** From the header alone the same description as from a loaded engine: artifacts depend on it. */
async function expectSameDescription(path: string): Promise<void> {
  const inspection = await inspectModel(path);
  await using engine = await openEngine(path);
  expect(inspection.info).toEqual(engine.info.model);
  expect(inspection.fingerprint).toBe(engine.info.fingerprint);
}

describe.each([demo, opt, swiglu])('the header of $name', (fixture) => {
  test('describes the model as the engine does', async ({ skip }) => {
    skip(missing(fixture.gguf), 'extra test data');
    await expectSameDescription(fixture.gguf);
  });

  test('in a Hugging Face folder too', async ({ skip }) => {
    skip(missing(fixture.huggingFace), 'extra test data');
    await expectSameDescription(fixture.huggingFace);
  });
});

test('the types of a quantised file', async () => {
  const path = join(folder, 'demo-Q4_0.gguf');
  quantizeGguf(demo.gguf, path, 'Q4_0');
  await expectSameDescription(path);
  expect((await inspectModel(path)).info?.weight_types).toMatchObject({ ffn: 'Q4_0' });
});

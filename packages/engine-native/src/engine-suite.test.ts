import { activationSourceSuite, engineSuite } from '@thermocline/contracts/testing';
import { afterAll, beforeAll, describe } from 'vitest';
import type { NativeEngine } from './index.js';
import { openEngine } from './index.js';
import { DEMO_MODEL, SMALL_MODEL } from './testing/models.js';

const text = 'Once upon a time, there was a little girl named Lily. She liked to';

describe.each([
  ['a gated llama', DEMO_MODEL],
  ['an opt', SMALL_MODEL],
])('%s', (name, path) => {
  let engine: NativeEngine;
  beforeAll(async () => {
    engine = await openEngine(path);
  });
  afterAll(() => engine.close());

  engineSuite(name, { open: () => openEngine(path), prompt: text });
  activationSourceSuite(name, { source: () => engine, text });
});

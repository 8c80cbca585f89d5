import { join } from 'node:path';
import type { KvType } from '@thermocline/contracts';
import { openEngine } from '@thermocline/engine-native';
import { modelMemory, neuronMatrixBytes } from '@thermocline/solver';
import { describe, expect, test } from 'vitest';
import { demo, missing, opt, swiglu } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';

const folder = temporaryFolder();
const THREADS = 2;

/** What the engine reserves for a model and one session, beside what was planned for it. */
async function compare(path: string, contextTokens: number, kvType: KvType): Promise<void> {
  await using engine = await openEngine(path, { context: contextTokens, threads: THREADS });
  await using _session = await engine.createSession({ context: contextTokens, kvType });
  const { model } = engine.info;
  const { uses, usedBytes } = engine.memory().find(({ tier }) => tier === 'cpu') ?? {};
  const memory = modelMemory(model, { contextTokens, kvType, threads: THREADS });
  const neurons = model.n_ff.map((count) => neuronMatrixBytes(memory.neuron, count));
  const planned = {
    weights:
      memory.embeddings +
      memory.head +
      model.layers * memory.attention +
      neurons.reduce((sum, bytes) => sum + bytes, 0),
    kv: model.layers * memory.kv,
    scratch: memory.scratch,
  };
  expect(Object.keys(uses ?? {}).sort()).toEqual(['kv', 'scratch', 'weights']);
  for (const [use, bytes] of Object.entries(planned)) {
    expect(within(bytes, uses?.[use] ?? 0), `${use}: ${bytes} for ${uses?.[use]}`).toBe(true);
  }
  // Norms and biases are not in the engine's account, but they are in the plan.
  const total = Object.values(planned).reduce((sum, bytes) => sum + bytes, 0);
  expect(within(total + model.layers * memory.vectors, usedBytes ?? 0)).toBe(true);
}

function within(planned: number, measured: number): boolean {
  return Math.abs(planned - measured) <= 0.01 * measured;
}

describe.each([demo, opt, swiglu])('$name takes what the solver plans for it', (fixture) => {
  const types = ['F32', 'F16', 'Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K'] as const;
  test.for(types)('as %s', async (type, { skip }) => {
    skip(missing(fixture.gguf), 'extra test data');
    skip(type.endsWith('K') && fixture === opt, 'rows are not whole superblocks');
    const path = join(folder, `${fixture.name}-${type}.gguf`);
    quantizeGguf(fixture.gguf, path, type);
    await compare(path, 256, 'f16');
    await compare(path, 200, 'f32');
  });
});

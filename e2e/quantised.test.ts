import { join } from 'node:path';
import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { runOracle } from './oracle/oracle.js';
import { loadOracleModel } from './oracle/oracle-model.js';
import { expectClose } from './support/compare.js';
import { demo, missing, opt, swiglu } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';
import { writeSynthLlama } from './tools/synth-llama.mjs';

const folder = temporaryFolder();

/** How far logits may be from a double-precision run on the same dequantised weights. */
const TOLERANCES = { F32: 1e-3, F16: 1e-3, BF16: 1e-3, Q8_0: 2e-2, Q4_0: 2e-2 } as const;
type WeightType = keyof typeof TOLERANCES;
const TYPES = Object.keys(TOLERANCES) as WeightType[];

/** Compares every position, from one pass over the prompt and from one token at a time. */
async function compare(path: string, tokens: number[], tolerance: number): Promise<void> {
  const expected = runOracle(loadOracleModel(path), tokens).logits;
  await using engine = await openEngine(path);
  for (const mode of engine.info.modes) {
    await using session = await engine.createSession();
    const { logits } = await session.evaluate(tokens, { mode, logits: 'all' });
    expect(logits).toHaveLength(tokens.length);
    for (const [i, row] of logits.entries()) expectClose(row, expected[i] ?? [], tolerance);
    await session.truncate(0);
    for (const [i, token] of tokens.entries()) {
      const step = await session.evaluate([token], { mode });
      expectClose(step.logits[0] ?? [], expected[i] ?? [], tolerance);
    }
  }
}

describe.each([demo, opt, swiglu])('$name in other weight types', (fixture) => {
  test.each(TYPES)('%s agrees with the oracle', async (type) => {
    if (missing(fixture.gguf)) return;
    const path = join(folder, `${fixture.name}-${type}.gguf`);
    quantizeGguf(fixture.gguf, path, type);
    for (const { ids, greedy_ids } of fixture.reference().prompts.slice(0, 2)) {
      await compare(path, [...ids, ...greedy_ids.slice(0, 12)], TOLERANCES[type]);
    }
  });
});

// Shapes a trained model does not have: one head, many heads on one KV head, neuron counts that
// are no multiple of 64, one layer.
const SHAPES = [
  { dModel: 64, layers: 1, nFf: 32, heads: 1, kvHeads: 1 },
  { dModel: 96, layers: 2, nFf: 160, heads: 6, kvHeads: 1 },
  { dModel: 128, layers: 3, nFf: 352, heads: 4, kvHeads: 2 },
  { dModel: 160, layers: 2, nFf: 1056, heads: 5, kvHeads: 5 },
];

describe.each(SHAPES)('a synthetic llama of %o', (shape) => {
  test.each(TYPES)('in %s agrees with the oracle', async (type) => {
    for (const relu of [false, true]) {
      const path = join(folder, `synth-${type}-${shape.dModel}-${String(relu)}.gguf`);
      writeSynthLlama(path, { ...shape, type, relu, vocab: 512, context: 64, seed: shape.nFf });
      await compare(path, [1, 300, 17, 400, 301, 302, 99, 300], TOLERANCES[type]);
    }
  });
});

import { join } from 'node:path';
import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { runOracle } from './oracle/oracle.js';
import { loadOracleModel } from './oracle/oracle-model.js';
import { type LogitsOutput, thermoclineJson } from './support/cli.js';
import { difference, expectSameTop, topLogits } from './support/compare.js';
import { demo, missing, opt, swiglu } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';
import { readGguf } from './tools/gguf.mjs';
import { quantizeGguf } from './tools/quantize-gguf.mjs';
import { writeSynthLlama } from './tools/synth-llama.mjs';
import { WEIGHT_TYPES, type WeightType } from './tools/tensor-codec.mjs';

const folder = temporaryFolder();

/**
 * How far logits may be from a double-precision run on the same dequantised weights. Blocks of 32
 * weights meet activations rounded to 8 bits, which costs about half a percent each time. K-quants
 * meet the same activations.
 */
const TOLERANCES = {
  F32: 1e-3,
  F16: 1e-3,
  BF16: 1e-3,
  Q8_0: 2e-2,
  Q4_0: 2e-2,
  Q4_K: 2e-2,
  Q5_K: 2e-2,
  Q6_K: 2e-2,
} as const;
const TYPES = Object.keys(TOLERANCES) as WeightType[];

/** Whether rows of these widths are whole blocks of the type. */
function fits(type: WeightType, ...widths: number[]): boolean {
  return widths.every((width) => width % WEIGHT_TYPES[type].block === 0);
}

/** Lengths of the rows of all matrices. */
function rowWidths(path: string): number[] {
  return readGguf(path)
    .tensors.filter(({ shape }) => shape.length > 1)
    .map(({ shape }) => shape[0] ?? 0);
}

/** Every position's relative error, from one pass over the tokens and from one token at a time. */
async function relativeErrors(path: string, tokens: number[]): Promise<number[]> {
  const expected = runOracle(loadOracleModel(path), tokens).logits;
  await using engine = await openEngine(path);
  await using session = await engine.createSession();
  const errors: number[] = [];
  const compare = (position: number, row: Float32Array | undefined): void => {
    errors.push(difference(row ?? [], expected[position] ?? []).relative);
  };
  for (const mode of engine.info.modes) {
    await session.truncate(0);
    const { logits } = await session.evaluate(tokens, { mode, logits: 'all' });
    expect(logits).toHaveLength(tokens.length);
    for (const [i, row] of logits.entries()) compare(i, row);
    await session.truncate(0);
    for (const [i, token] of tokens.entries()) {
      compare(i, (await session.evaluate([token], { mode })).logits[0]);
    }
  }
  return errors;
}

describe.each([demo, opt, swiglu])('$name in other weight types', (fixture) => {
  test.for(TYPES)('%s agrees with the oracle', async (type, { skip }) => {
    skip(missing(fixture.gguf), 'extra test data');
    skip(!fits(type, ...rowWidths(fixture.gguf)), 'rows are not whole superblocks');
    const path = join(folder, `${fixture.name}-${type}.gguf`);
    quantizeGguf(fixture.gguf, path, type);
    const model = loadOracleModel(path);
    const [story, ...others] = fixture.reference().prompts;
    for (const { ids } of [...others, ...(story ? [story] : [])]) {
      const expected = runOracle(model, ids).logits.at(-1) ?? [];
      const args = ['logits', path, '--tokens', ids.join(','), '--top', '10'];
      const { top } = await thermoclineJson<LogitsOutput>(args);
      expectSameTop(top, topLogits(expected, 10), TOLERANCES[type]);
    }
    // All logits of all positions, unlikely tokens too: the mean is what the tolerance is about.
    const tokens = [...(story?.ids ?? []), ...(story?.greedy_ids ?? []).slice(0, 12)];
    const errors = await relativeErrors(path, tokens);
    const mean = errors.reduce((sum, error) => sum + error, 0) / errors.length;
    expect(mean).toBeLessThan(TOLERANCES[type]);
    expect(Math.max(...errors)).toBeLessThan(2.5 * TOLERANCES[type]);
  });
});

// Shapes a trained model does not have: one head, many heads on one KV head, neuron counts that
// are no multiple of 64, one layer.
const SHAPES = [
  { dModel: 64, layers: 1, nFf: 32, heads: 1, kvHeads: 1 },
  { dModel: 96, layers: 2, nFf: 160, heads: 6, kvHeads: 1 },
  { dModel: 128, layers: 3, nFf: 352, heads: 4, kvHeads: 2 },
  { dModel: 160, layers: 2, nFf: 1056, heads: 5, kvHeads: 5 },
  // Superblocks: one, an odd number and an even one to a row.
  { dModel: 256, layers: 2, nFf: 768, heads: 4, kvHeads: 2 },
  { dModel: 768, layers: 1, nFf: 512, heads: 6, kvHeads: 6 },
];

describe.each(SHAPES)('a synthetic llama of %o', (shape) => {
  test.for(TYPES)('in %s agrees with the oracle', async (type, { skip }) => {
    skip(!fits(type, shape.dModel, shape.nFf), 'rows are not whole superblocks');
    for (const relu of [false, true]) {
      const path = join(folder, `synth-${type}-${shape.dModel}-${String(relu)}.gguf`);
      writeSynthLlama(path, { ...shape, type, relu, vocab: 512, context: 64, seed: shape.nFf });
      const errors = await relativeErrors(path, [1, 300, 17, 400, 301, 302, 99, 300]);
      // Noise has no likely token, so the largest logit that errors are measured by is small.
      expect(Math.max(...errors)).toBeLessThan(2.5 * TOLERANCES[type]);
    }
  });
});

// What published files mix, and more: every tensor may have a type of its own.
const MIXTURES: Record<string, (name: string) => WeightType> = {
  'Q4_K with Q6_K, as Q4_K_M files': (name) =>
    /attn_v|ffn_down|token_embd|^output/.test(name) ? 'Q6_K' : 'Q4_K',
  'Q5_K with Q6_K in one layer only': (name) =>
    /blk\.0\.(attn_v|ffn_down)/.test(name) ? 'Q6_K' : 'Q5_K',
  'a gate of another type than up and down': (name) =>
    name.includes('ffn_gate') ? 'Q8_0' : name.includes('ffn_up') ? 'Q4_K' : 'Q5_K',
  'a float gate, and Q4_0 under Q6_K': (name) =>
    name.includes('ffn_gate') ? 'F16' : name.includes('ffn_down') ? 'Q4_0' : 'Q6_K',
};

test.for(Object.entries(MIXTURES))('%s', async ([, typeOf]) => {
  const path = join(folder, 'mixed.gguf');
  quantizeGguf(demo.gguf, path, typeOf);
  const [prompt] = demo.reference().prompts;
  const errors = await relativeErrors(path, prompt?.ids ?? []);
  expect(errors.length).toBeGreaterThan(0);
  expect(Math.max(...errors)).toBeLessThan(2.5 * TOLERANCES.Q4_K);
});

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEngine, openTokenizer } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { thermocline, thermoclineJson } from './support/cli.js';
import { dataPath, demo, missing, opt, swiglu } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';

const folder = temporaryFolder();

describe.each([demo, opt, swiglu])('the tokenizer of $name', (fixture) => {
  const sources = [fixture.gguf, fixture.huggingFace];

  test.for(sources)('reproduces its reference from %s', async (source, { skip }) => {
    skip(missing(source) || missing(fixture.gguf), 'extra test data');
    // The models share one tokenizer, and one list of tests.
    const tests = demo.reference().tokenizer_tests ?? [];
    expect(tests.length).toBeGreaterThan(0);
    await using engine = await openEngine(source);
    for (const { text, ids, roundtrip } of tests) {
      expect(Array.from(await engine.tokenize(text)), text).toEqual(ids);
      if (roundtrip) expect(await engine.detokenize(ids)).toBe(text);
    }
  });
});

test('`tokenize` reads standard input as it is', async () => {
  for (const { text, ids } of demo.reference().tokenizer_tests ?? []) {
    const output = await thermoclineJson<{ ids: number[] }>(['tokenize', demo.gguf], text);
    expect(output.ids, text).toEqual(ids);
  }
  const empty = await thermoclineJson<{ ids: number[] }>(['tokenize', demo.gguf], '');
  expect(empty.ids).toEqual([]);
});

const VOCABULARIES = [
  ...['llama-bpe', 'llama-spm', 'gpt-2', 'falcon', 'qwen2', 'phi-3', 'starcoder', 'deepseek-llm'],
  'refact',
];

describe('vocabularies of public models', () => {
  test.for(VOCABULARIES)('%s gives the ids of its vectors', async (name, { skip }) => {
    const path = dataPath('tokenizers', `ggml-vocab-${name}.gguf`);
    skip(missing(path), 'extra test data');
    const texts = readFileSync(`${path}.inp`, 'utf8').split('\n__ggml_vocab_test__\n');
    const expected = readFileSync(`${path}.out`, 'utf8').split('\n').slice(0, texts.length);
    expect(expected).toHaveLength(texts.length);
    using tokenizer = await openTokenizer(path);
    for (const [i, text] of texts.entries()) {
      const ids = (expected[i] ?? '').split(' ').filter(Boolean).map(Number);
      expect(Array.from(await tokenizer.tokenize(text)), text).toEqual(ids);
    }
  });
});

test('an unknown pre-tokenizer is refused by name', async () => {
  const path = join(folder, 'unknown-pre-tokenizer.gguf');
  quantizeGguf(opt.gguf, path, 'F16', (metadata) => {
    metadata.set('tokenizer.ggml.pre', { type: 'string', value: 'martian-7' });
  });
  const { code, stdout, stderr } = await thermocline(['tokenize', path, '--text', 'Hello']);
  expect(code).toBe(1);
  expect(stdout).toBe('');
  expect(stderr).toContain('pre-tokenizer');
  expect(stderr).toContain('martian-7');
  await expect(openTokenizer(path)).rejects.toMatchObject({ code: 'TOKENIZER_UNSUPPORTED' });
});

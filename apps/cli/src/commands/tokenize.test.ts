import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { DATA, DEMO, runCli, runJson } from '../testing/run-cli.js';

const shape = z.strictObject({ ids: z.array(z.number().int()), pieces: z.array(z.string()) });
const reference = JSON.parse(readFileSync(join(DEMO, 'reference', 'reference.json'), 'utf8'));
const tests = reference.tokenizer_tests as { text: string; ids: number[] }[];
const vocabulary = join(DATA, 'tokenizers', 'ggml-vocab-llama-spm.gguf');

describe('thermocline tokenize', () => {
  it.each(tests)('gives the reference for $text', async ({ text, ids }) => {
    const result = shape.parse(await runJson(['tokenize'], { stdin: text }));
    expect(result.ids).toEqual(ids);
    expect(result.pieces).toHaveLength(ids.length);
  });

  it('takes stdin and arguments as they are, also when they are empty', async () => {
    const trailing = shape.parse(await runJson(['tokenize'], { stdin: ' a\n' }));
    const option = shape.parse(await runJson(['tokenize', '--text', ' a\n']));
    expect(trailing).toEqual(option);
    expect(trailing.pieces.join('')).toMatch(/Ċ$/);
    expect(await runJson(['tokenize'], { stdin: '' })).toEqual({ ids: [], pieces: [] });
    expect(await runJson(['tokenize', '--text', ''])).toEqual({ ids: [], pieces: [] });
  });

  it('prints a token per line for people', async () => {
    const { stdout, stderr } = await runCli(['tokenize', '--text', 'Hello world']);
    expect(stdout).toBe('2455\tHello\n622\tĠworld\n');
    expect(stderr).toBe('2 tokens\n');
  });

  it.skipIf(!existsSync(vocabulary))(
    `reads a file that is only a vocabulary (skipped without ${vocabulary})`,
    async () => {
      const result = shape.parse(await runJson(['tokenize', vocabulary, '--text', 'Hello world']));
      expect(result).toEqual({ ids: [15043, 3186], pieces: ['▁Hello', '▁world'] });
    },
  );
});

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { DATA, DEMO, ROOT, runCli, runJson } from '../testing/run-cli.js';

const FIXTURES = join(ROOT, 'packages', 'contracts', 'fixtures');
const vocabulary = join(DATA, 'tokenizers', 'ggml-vocab-llama-spm.gguf');

describe('thermocline inspect', () => {
  it('describes a model', async () => {
    const opt = join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
    expect(await runJson(['inspect', opt])).toMatchObject({
      kind: 'model',
      path: opt,
      container: 'gguf',
      model: { arch: 'opt', layers: 4, d_model: 128, activation: 'relu', gated: false, tied: true },
      model_problem: null,
      vocabulary: { kind: 'bpe', pre_tokenizer: 'gpt-2', tokens: 4096 },
      metadata: expect.arrayContaining([
        expect.objectContaining({ key: 'general.architecture', summary: 'opt' }),
      ]),
      tensors: expect.arrayContaining([
        expect.objectContaining({ name: 'token_embd.weight', type: 'F16', readable: true }),
      ]),
    });
  });

  it('draws where the bytes are, and shortens long lists unless asked for all', async () => {
    const short = await runCli(['inspect']);
    expect(short.stdout).toMatch(/FFN +█+.?·* +9\.0 MiB +59\.\d %/);
    expect(short.stdout).toMatch(/… \d+ more: --all lists them/);
    expect(short.stdout).not.toContain('blk.5.ffn_down.weight');
    const all = await runCli(['inspect', '--all']);
    expect(all.stdout).toContain('blk.5.ffn_down.weight');
    expect(all.stdout).not.toContain('\x1b');
  });

  it.skipIf(!existsSync(vocabulary))(
    `describes a file that is only a vocabulary (skipped without ${vocabulary})`,
    async () => {
      expect(await runJson(['inspect', vocabulary])).toMatchObject({
        kind: 'model',
        tensors: [],
        vocabulary: { kind: 'sentencepiece', tokens: 32000 },
      });
    },
  );

  it.each([
    ['activation-profile.safetensors', 'profile', /hottest first/],
    ['placement-plan.safetensors', 'plan', /where the neurons live/],
    ['predictor-set.safetensors', 'predictors', /over-prediction/],
  ])('describes %s', async (name, kind, drawn) => {
    const path = join(FIXTURES, name);
    expect(await runJson(['inspect', path])).toMatchObject({
      kind,
      fingerprint: expect.any(String),
      layers: expect.any(Array),
    });
    const { stdout } = await runCli(['inspect', path]);
    expect(stdout).toMatch(drawn);
  });

  it.each([
    ['no-such-file', /no-such-file/],
    [join(ROOT, 'LICENSE'), /LICENSE/],
    [join(ROOT, 'package.json'), /hardware description/],
    [ROOT, /config\.json/],
  ])('fails at %s and says what is wrong', async (path, message) => {
    const { code, stdout, stderr } = await runCli(['inspect', path, '--json']);
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr).toMatch(message);
  });
});

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, runJson } from '../testing/run-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-synth-'));
const model = join(folder, 'tiny.gguf');
beforeAll(async () => {
  await runCli(['synth', 'tiny', '-o', model]);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('thermocline synth', () => {
  it('names its shapes', async () => {
    const { shapes } = (await runJson(['synth', '--list'])) as { shapes: { name: string }[] };
    expect(shapes.map(({ name }) => name)).toContain('bamboo-7b');
    const { stdout } = await runCli(['synth', '--list']);
    expect(stdout).toMatch(/falcon-40b +4 of 60 .*not computed by the engine yet/);
  });

  it('writes a model and its predictors, and says what they are', async () => {
    const predictors = join(folder, 'tiny.predictors');
    const args = ['-o', model, '--predictors', predictors, '--over-prediction', '1.5'];
    expect(await runJson(['synth', 'tiny', ...args])).toMatchObject({
      synthetic: true,
      shape: 'tiny',
      type: 'Q4_0',
      layout: 'usual',
      sparsity: 0.9,
      seed: 1,
      predictors: { path: predictors, over_prediction: expect.closeTo(1.5, 3) },
    });
    const asked = ['run', model, '-p', 'hello', '-n', '4', '--predictors', predictors];
    const { code, stderr } = await runCli(asked);
    expect([code, stderr]).toEqual([0, expect.stringContaining('synthetic weights')]);
  });

  it('is marked wherever the model is shown', async () => {
    const profile = join(folder, 'tiny.profile');
    const text = join(folder, 'text.txt');
    writeFileSync(text, 'some words and some more words\n'.repeat(20));
    const counted = ['profile', model, '--corpus', text, '--tokens', '200', '-o', profile];
    expect((await runCli(counted)).stderr).toContain('synthetic weights');
    for (const file of [model, profile]) {
      expect((await runCli(['inspect', file])).stdout).toContain('synthetic weights');
      expect(await runJson(['inspect', file])).toMatchObject({ model: { synthetic: true } });
    }
    const { stdout } = await runCli(['solve', profile, '--hardware', 'rtx-4090-pc']);
    expect(stdout).toContain('synthetic weights');
  });

  it('writes over nothing but synthetic models', async () => {
    const other = join(folder, 'notes.txt');
    writeFileSync(other, 'notes');
    const { code, stderr } = await runCli(['synth', 'tiny', '-o', other]);
    expect([code, stderr]).toEqual([2, expect.stringContaining('no synthetic model')]);
    expect(readFileSync(other, 'utf8')).toBe('notes');
  });

  it('leaves nothing when it is stopped', async () => {
    const output = join(folder, 'stopped.gguf');
    const args = ['synth', 'tinyllama-1.1b', '--type', 'F16', '-o', output];
    const { code } = await runCli(args, {
      onStart: (child) => {
        const stop = setInterval(() => {
          if (!readdirSync(folder).some((name) => name.startsWith('stopped'))) return;
          clearInterval(stop);
          child.kill('SIGINT');
        }, 20);
        child.on('close', () => clearInterval(stop));
      },
    });
    expect(code).toBe(130);
    expect(readdirSync(folder).filter((name) => name.startsWith('stopped'))).toEqual([]);
  });

  it.each([
    ['no shape', [], 'synth SHAPE'],
    ['no output', ['tiny'], '-o FILE'],
    ['an unknown shape', ['huge', '-o', 'OUT'], 'bamboo-7b'],
    ['a type it does not write', ['tiny', '-o', 'OUT', '--type', 'Q5_K'], 'Q4_0'],
    ['a sparsity of one', ['tiny', '-o', 'OUT', '--sparsity', '1'], 'sparsity'],
    ['packed mixtures', ['tiny-moe', '-o', 'OUT', '--layout', 'packed'], 'mixtures'],
    ['predictors of silu', ['tinyllama-1.1b', '-o', 'OUT', '--predictors', 'P'], 'silu'],
    ['predictors of falcon', ['tiny-falcon', '-o', 'OUT', '--predictors', 'P'], 'not computed'],
    ['over-prediction of none', ['tiny', '-o', 'OUT', '--over-prediction', '2'], '--predictors'],
  ])('refuses %s', async (_, args, words) => {
    const output = join(folder, 'refused.gguf');
    const { code, stderr } = await runCli([
      'synth',
      ...args.map((arg) => (arg === 'OUT' ? output : arg)),
    ]);
    expect([code, stderr]).toEqual([2, expect.stringContaining(words)]);
    expect(existsSync(output)).toBe(false);
  });
});

describe('thermocline synth verify', () => {
  it('finds what was planted', async () => {
    const { code, stdout } = await runCli(['synth', 'verify', model, '--tokens', '2000']);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/decile 10 .*as planted/s)]);
    const result = await runJson(['synth', 'verify', model, '--tokens', '2000']);
    expect(result).toMatchObject({ passed: true, synthetic: true, shape: 'tiny', tokens: 2000 });
  });

  it('finds that something else was planted, and says so with its exit code', async () => {
    const bytes = readFileSync(model);
    const at =
      bytes.indexOf('thermocline.synthetic.sparsity') + 'thermocline.synthetic.sparsity'.length;
    bytes.writeDoubleLE(0.8, at + 4);
    const edited = join(folder, 'edited.gguf');
    writeFileSync(edited, bytes);
    const { code, stdout } = await runCli(['synth', 'verify', edited, '--tokens', '500']);
    expect([code, stdout]).toEqual([1, expect.stringContaining('not as planted')]);
  });

  it('has nothing to check in models that are not synthetic, or never at zero', async () => {
    const silu = join(folder, 'silu.gguf');
    await runCli(['synth', 'tinyllama-1.1b', '--layers', '1', '-o', silu]);
    const { code, stderr } = await runCli(['synth', 'verify', silu, '--tokens', '10']);
    expect([code, stderr]).toEqual([2, expect.stringContaining('silu')]);
  });
});

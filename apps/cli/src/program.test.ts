import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { BIN, ROOT, runCli } from './testing/run-cli.js';

describe('thermocline', () => {
  it('prints its version', async () => {
    const { code, stdout } = await runCli(['--version']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it('lists its commands, and only those there are', async () => {
    const { code, stdout } = await runCli(['--help']);
    expect(code).toBe(0);
    for (const command of [
      'run',
      'chat',
      'logits',
      'eval',
      'tokenize',
      'profile',
      'inspect',
      'probe',
      'synth',
      'bench',
    ]) {
      expect(stdout).toMatch(new RegExp(`^  ${command} `, 'm'));
    }
    expect(stdout).not.toMatch(/serve|demo \[/);
  });

  it('answers --help without loading the engine or anything else that takes time', () => {
    const code = `
      process.argv = [process.execPath, ${JSON.stringify(BIN)}, 'run', '--help'];
      process.on('exit', () => process.stderr.write(Object.keys(require.cache).join('\\n')));
      require(${JSON.stringify(BIN)});`;
    const { stderr } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8' });
    expect(stderr).toContain('commander');
    expect(stderr).not.toMatch(/runtime|engine-native|contracts|zod|cli-table3|plot|linkedom/);
  });

  it('starts from the script that npm runs', () => {
    const script = join(ROOT, 'scripts', 'thermocline.mjs');
    const { status, stdout } = spawnSync(process.execPath, [script, '--version'], {
      encoding: 'utf8',
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
  });

  it.each([
    [['dance'], /unknown command 'dance'/],
    [['run', '-p', 'x', '--speed', '9'], /unknown option '--speed'/],
    [['run'], /--prompt <text>' not specified/],
    [['run', '-p', 'x', '-n', 'many'], /whole number/],
    [['run', '-p', 'x', '--temp', '-1'], /number from 0 to 100/],
    [['run', '-p', 'x', '--mode', 'fast'], /Allowed choices are dense, exact/],
    [['run', '-p', 'x', '--ram', 'lots'], /such as 8GiB/],
    [['logits'], /either --prompt TEXT or --tokens/],
    [['logits', '-p', 'x', '--tokens', '1'], /either --prompt TEXT or --tokens/],
    [['logits', '--tokens', '1,two'], /whole number/],
    [['eval'], /--text <file>' not specified/],
    [['run', '-p', 'x', '--max-loss', '1%'], /bound of --mode auto/],
    [['run', '-p', 'x', '--mode', 'auto', '--recall', '0.9'], /leave --recall and --sparsity out/],
  ])('calls %j wrong usage', async (args, message) => {
    const { code, stdout, stderr } = await runCli(args);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
    expect(stdout).toBe('');
  });

  it.each([
    [['run', 'no-such-model.gguf', '-p', 'x'], /no-such-model\.gguf/],
    [['eval', '--text', 'no-such-file.txt'], /no-such-file\.txt: there is no such file/],
    [['eval', '--text', 'no-such-file.npy'], /no-such-file\.npy: there is no such file/],
    [['eval', '--text', ROOT], /FILE|EISDIR/],
    [['run', '-p', 'x', '--vram', '8GiB'], /processor only.*Leave the GPU budget out/],
    [['run', '-p', 'x', '--ram', '1024TiB'], /the machine has .*Lower the budget/],
    [['run', '-p', 'x', '--ram', '1MiB'], /OUT_OF_MEMORY/],
    [['run', '-p', 'x', '--mode', 'predicted'], /needs a predictor set.*runs in: .*exact/],
    [['run', '-p', 'x', '--mode', 'threshold'], /needs a predictor set of gates/],
    [['run', '-p', 'One two three four five', '--context', '4'], /CONTEXT_OVERFLOW/],
    [['logits', '--tokens', '1,4096'], /4096/],
    [['eval', '--text', BIN, '--context', '100000', '--tokens', '9'], /shorter --context/],
  ])('fails at %j and says what to do', async (args, message) => {
    const { code, stdout, stderr } = await runCli([...args, '--json']);
    expect(stderr).toMatch(message);
    expect([1, 2]).toContain(code);
    expect(stdout).toBe('');
  });
});

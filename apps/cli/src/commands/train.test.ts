import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPredictorSet } from '@thermocline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, runCli, runJson } from '../testing/run-cli.js';

const TRAINING = join(DEMO, 'texts', 'training.txt');
const STORIES = join(DEMO, 'texts', 'stories.txt');
const OPT = join(DEMO, 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
const PROMPT = ['-p', 'Once upon a time, there was a little', '-n', '24'];

const folder = mkdtempSync(join(tmpdir(), 'thermocline-train-'));
const PROFILE = join(folder, 'demo.profile');
const SET = join(folder, 'demo.predictors');
const TRAIN = ['train', '--profile', PROFILE, '--corpus', TRAINING, '--tokens', '12288'];
const FITTED = [...TRAIN, '--kind', 'factorised', '--test', STORIES, '--test-tokens', '1024'];

interface Run {
  mode: string;
  tokens: number[];
  predictors: { path: string; recall?: number };
  measured_loss: { change: number; interpolated: boolean } | null;
}

beforeAll(async () => {
  await runJson(['profile', '--corpus', TRAINING, '--tokens', '4096', '-o', PROFILE]);
  await runJson([...FITTED, '-o', SET]);
}, 300_000);
afterAll(() => rmSync(folder, { recursive: true }));

describe('thermocline train', { timeout: 300_000 }, () => {
  it('writes a set that carries what it loses, and leaves nothing beside it', async () => {
    const set = await readPredictorSet(SET);
    expect(set.layers.map(({ kind }) => kind)).toContain('factorised');
    expect(set.corpora).toMatchObject([{ name: 'training.txt', tokens: 12_288 }]);
    const [made, ...points] = set.measured ?? [];
    expect(made).toMatchObject({ mode: 'predicted', tokens: 1024 });
    expect((made?.perplexity as number) / (made?.densePerplexity as number)).toBeLessThan(1.05);
    expect(points.map(({ recall }) => recall)).toEqual([0.9, 0.95, 0.97, 0.98, 0.99]);
    const lost = points.map(({ perplexity }) => perplexity);
    expect(lost[0]).toBeGreaterThan(lost.at(-1) as number);
    expect(existsSync(`${SET}.partial`)).toBe(false);
  });

  it('says what it made, for people too', async () => {
    const output = join(folder, 'signs.predictors');
    const args = [...TRAIN, '--kind', 'signs', '--test-tokens', '256', '-o', output];
    const { code, stdout, stderr } = await runCli(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/signs in \d layers/);
    expect(stdout).toMatch(/perplexity +change +dense/);
    expect(stderr).toMatch(/^layer 0 \(1 of 6\): signs, \d+ s$/m);
    expect(stderr).toMatch(/^note: Kind signs takes one bit/m);
    expect(stderr).toMatch(/^note: the loss was measured on 256 tokens only and is rough/m);
    expect(stderr).toMatch(/^trained in \d+\.\d s · written to .*signs\.predictors$/m);
  });

  it('says how to go on when it is stopped while the loss is measured', async () => {
    const output = join(folder, 'stopped.predictors');
    const args = [...TRAIN, '--kind', 'signs', '-o', output];
    let asked = false;
    const stopped = await runCli(args, {
      onOutput: (child, _, stderr) => {
        // Once: a second Ctrl-C ends the program at once.
        if (asked || !/^measuring the loss/m.test(stderr)) return;
        asked = child.kill('SIGINT');
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toMatch(/^Stopped while the loss was measured: .*same command again/m);
    const { code, stderr } = await runCli([...args, '--test-tokens', '256']);
    expect(stderr).toMatch(/^layer 5 \(6 of 6\): signs, from an earlier call$/m);
    expect(code).toBe(0);
  });

  it('refuses what does not go together', async () => {
    const usage = async (args: string[], words: RegExp) => {
      const { code, stderr } = await runCli([...args, '-o', join(folder, 'none')]);
      expect(stderr).toMatch(words);
      return code;
    };
    expect(await usage(['train', '--corpus', TRAINING], /--profile FILE/)).toBe(2);
    expect(await usage(['train', '--profile', PROFILE], /--corpus FILE/)).toBe(2);
    expect(await usage([...TRAIN, '--predictors', SET], /unknown option '--predictors'/)).toBe(2);
    expect(await usage([...TRAIN, '--mode', 'auto'], /unknown option '--mode'/)).toBe(2);
    expect(await usage([...TRAIN, '--budget', '200%'], /^error: --budget: "200%" is neither/)).toBe(
      2,
    );
    expect(await usage([...TRAIN, '--ram', 'much'], /^error: --ram: "much" is not a size/)).toBe(2);
    const toTest = [...TRAIN, '--test', join(folder, 'no-such-text.txt')];
    expect(await usage(toTest, /^error: [^\n]*no-such-text.txt: there is no such file/)).toBe(1);
    expect(existsSync(join(folder, 'none.partial'))).toBe(false);
    const forOpt = ['train', OPT, '--profile', PROFILE, '--corpus', TRAINING];
    expect(await usage(forOpt, /ARTIFACT_MODEL_MISMATCH/)).toBe(1);
    expect(existsSync(join(folder, 'none'))).toBe(false);
  });

  it('does not write over what is no predictor set', async () => {
    const { code, stderr } = await runCli([...FITTED, '-o', PROFILE]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/is read: write the result to another file/);
  });
});

describe('running with predictors', { timeout: 300_000 }, () => {
  const run = async (...args: string[]) =>
    (await runJson(['run', ...PROMPT, '--predictors', SET, ...args])) as Run;

  it('is the default, and names its cost', async () => {
    const made = await run();
    expect(made.mode).toBe('predicted');
    expect(Math.abs(made.measured_loss?.change as number)).toBeLessThan(0.05);
    expect(made.measured_loss?.interpolated).toBe(false);
    expect(made.tokens).toHaveLength(24);
    expect(await run()).toMatchObject({ tokens: made.tokens });

    const { stderr } = await runCli(['run', ...PROMPT, '--predictors', SET]);
    expect(stderr).toMatch(
      /^mode predicted: perplexity \d+\.\d+, \d+\.\d\d % (above|below) dense/m,
    );
  });

  it('moves to another recall', async () => {
    const between = await run('--recall', '96%');
    expect(between.measured_loss?.interpolated).toBe(true);
    expect(between.predictors).toEqual({ path: SET, recall: 0.96 });
    const { code, stderr } = await runCli([
      'run',
      ...PROMPT,
      '--predictors',
      SET,
      '--recall',
      '0.5',
    ]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/calibrated from 0\.800 to 0\.999/);
  });

  it('loses nothing in the modes that lose nothing', async () => {
    expect(await run('--mode', 'exact')).toMatchObject({ mode: 'exact', measured_loss: null });
    const args = ['run', ...PROMPT, '--predictors', SET, '--mode', 'exact', '--recall', '0.9'];
    expect(await runCli(args)).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/exact uses no predictors/),
    });
  });

  it('takes the fastest mode within a bound', async () => {
    const strict = await run('--mode', 'auto', '--max-loss', '0');
    expect(['exact', 'dense', 'predicted']).toContain(strict.mode);
    if (strict.mode === 'predicted') expect(strict.measured_loss?.change).toBeLessThanOrEqual(0);
    const { code, stderr } = await runCli([
      'run',
      ...PROMPT,
      '--predictors',
      SET,
      '--mode',
      'auto',
    ]);
    expect(code).toBe(0);
    expect(stderr).toMatch(/mode auto takes \w+, of .*dense: .*tokens\/s/);
  });

  it('refuses a set for another model, and moving what is not there', async () => {
    const other = await runCli(['run', OPT, ...PROMPT, '--predictors', SET]);
    expect(other.code).toBe(1);
    expect(other.stderr).toMatch(/ARTIFACT_MODEL_MISMATCH/);
    const none = await runCli(['run', ...PROMPT, '--recall', '0.9']);
    expect(none.code).toBe(2);
    expect(none.stderr).toMatch(/load a predictor set/);
    const predicted = await runCli(['run', ...PROMPT, '--mode', 'predicted']);
    expect(predicted.stderr).toMatch(/--predictors FILE/);
  });

  it('is what a plan can be solved for', async () => {
    const args = [
      'solve',
      PROFILE,
      '--hardware',
      'rtx-2080ti-pc',
      '--vram',
      '8MiB',
      '--ram',
      '64MiB',
    ];
    const plain = (await runJson(args)) as Record<string, unknown>;
    const planned = (await runJson([...args, '--predictors', SET])) as {
      mode: string;
      parts: { name: string; seconds: number }[];
    };
    expect(plain['mode']).toBe('exact');
    expect(planned.mode).toBe('predicted');
    expect(planned.parts.find(({ name }) => name === 'predictors')?.seconds).toBeGreaterThan(0);
  });
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePredictorSet } from '@thermocline/contracts';
import { inspectModel } from '@thermocline/runtime';
import { afterAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { DEMO, ROOT, runCli, runJson } from '../testing/run-cli.js';

const STORIES = join(ROOT, 'apps', 'cli', 'examples', 'story-choices.jsonl');
const folder = mkdtempSync(join(tmpdir(), 'thermocline-choices-'));
afterAll(() => rmSync(folder, { recursive: true }));

const share = z.number().min(0).max(1);
const error = z.number().nonnegative().nullable();
const score = z.strictObject({
  mode: z.enum(['dense', 'exact']),
  measured_loss: z.null(),
  acc: share,
  acc_stderr: error,
  acc_norm: share,
  acc_norm_stderr: error,
  tps: z.number().positive(),
});
const compared = score.extend({
  compared_with: z.literal('dense'),
  agreement: share,
  agreement_norm: share,
  acc_difference: z.number(),
  acc_difference_stderr: error,
  acc_norm_difference: z.number(),
  acc_norm_difference_stderr: error,
});
const shape = z.strictObject({
  model: z.string(),
  tasks: z.number().int(),
  chance: share,
  truncated: z.number().int(),
  context: z.number().int(),
  bos: z.boolean(),
  aborted: z.literal(false),
  modes: z.tuple([score]).rest(compared),
});

describe('thermocline choices', () => {
  it('gives accuracies and comparisons as JSON, and details by task', async () => {
    const details = join(folder, 'details.jsonl');
    const args = ['choices', '--tasks', STORIES, '--mode', 'exact', 'dense', '--details', details];
    const result = shape.parse(await runJson(args));
    expect(result).toMatchObject({ tasks: 42, truncated: 0, context: 512, bos: true });
    const [dense, exact] = result.modes;
    expect(dense.acc).toBeGreaterThan(0.6);
    expect(exact).toMatchObject({ mode: 'exact', agreement: 1, acc_difference: 0 });
    const lines = readFileSync(details, 'utf8').trimEnd().split('\n');
    type Row = { answer: number; modes: { dense: { chosen: number } } };
    const rows = lines.map((line) => JSON.parse(line) as Row);
    expect(rows).toHaveLength(42);
    const right = rows.filter(({ answer, modes }) => modes.dense.chosen === answer);
    expect(right.length / 42).toBeCloseTo(dense.acc, 12);
  });

  it('lets auto choose, and says what loses too much', async () => {
    const path = join(folder, 'gate.predictors');
    const { fingerprint, info } = await inspectModel(
      join(DEMO, 'model', 'Llama-ReGLU-Stories-8M-f16.gguf'),
    );
    if (info === null) return expect.unreachable();
    const threshold = Float32Array.of(0);
    const gate = { kind: 'gate', reads: 'same-layer', threshold } as const;
    await writePredictorSet(path, {
      fingerprint,
      model: info,
      corpora: [],
      layers: Array.from({ length: info.layers }, () => gate),
      measured: [{ mode: 'predicted', perplexity: 8.16, densePerplexity: 8, tokens: 100 }],
    });
    const args = ['choices', '--tasks', STORIES, '--limit', '2', '--predictors', path];
    const result = await runCli([...args, '--mode', 'auto']);
    expect(result.stderr).toMatch(/note: mode auto takes (dense|exact), of /);
    expect(result.stderr).toContain(
      'note: predicted loses 2.0 % of perplexity, more than the 1.0 % allowed',
    );
    expect(result.stdout).toMatch(/ (dense|exact) +\d+\.\d %/);
    const more = await runCli([...args, '--mode', 'dense', 'auto', '--max-loss', '3%']);
    expect(more.stderr).toMatch(/note: mode auto takes .*predicted: .*2\.0 % of perplexity/);
    expect(more.stderr).not.toContain('allowed');
  });

  it('leaves earlier details alone when there is no model to answer', async () => {
    const details = join(folder, 'earlier.jsonl');
    writeFileSync(details, '{}\n');
    const args = ['choices', join(folder, 'none.gguf'), '--tasks', STORIES, '--details', details];
    expect((await runCli(args)).code).toBe(1);
    expect(readFileSync(details, 'utf8')).toBe('{}\n');
  });

  it('prints a table, and what the figures rest on', async () => {
    const { code, stdout, stderr } = await runCli(['choices', '--tasks', STORIES, '--limit', '6']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/mode +acc +acc_norm\n +exact +\d+\.\d % ± \d+\.\d +\d+\.\d %/);
    expect(stderr).toMatch(/6 tasks · 33\.3 % by chance · .*512 tokens, with BOS/);
  });

  it('says which contexts were cut', async () => {
    const path = join(folder, 'long.jsonl');
    const context = 'Once upon a time there was a dog. '.repeat(100);
    writeFileSync(path, JSON.stringify({ context, choices: ['He ran.', 'He sat.'], answer: 0 }));
    const { stderr } = await runCli(['choices', '--tasks', path]);
    expect(stderr).toContain('note: 1 task did not fit 512 tokens; their contexts were cut');
  });

  it.each([
    ['no tasks', ['choices'], 2, /--tasks/],
    ['a missing file', ['choices', '--tasks', 'none.jsonl'], 1, /no such file/],
    [
      'a mode that needs more',
      ['choices', '--tasks', STORIES, '--mode', 'predicted'],
      1,
      /predictor set/,
    ],
    ['details over the tasks', ['choices', '--tasks', STORIES, '--details', STORIES], 2, /is read/],
    [
      'details of another name',
      ['choices', '--tasks', STORIES, '--details', 'x.gguf'],
      2,
      /\.jsonl/,
    ],
  ])('refuses %s', async (_, args, code, message) => {
    const result = await runCli(args);
    expect(result.code).toBe(code);
    expect(result.stderr).toMatch(message);
    expect(result.stdout).toBe('');
  });
});

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type LayerPredictor, writePredictorSet } from '@thermocline/contracts';
import { inspectModel } from '@thermocline/runtime';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { DEMO, runCli, runJson } from '../testing/run-cli.js';

const MODEL = join(DEMO, 'model', 'Llama-ReGLU-Stories-8M-f16.gguf');
const SLICE = join(DEMO, 'reference', 'valid-slice-8k.npy');

const share = z.number().min(0).max(1);
const figures = z.object({
  true_sparsity: share,
  predicted_sparsity: share.nullable(),
  recall_value: share.nullable(),
  recall_count: share.nullable(),
  over_prediction: z.number().positive().nullable(),
  predictor_params_share: share.nullable(),
  predictor_bytes_share: share.nullable(),
  predictor_time_share: share.nullable(),
});
const evaluation = figures.extend({
  mode: z.string(),
  perplexity: z.number(),
  dense_perplexity: z.number(),
  perplexity_change: z.number(),
  nll_change: z.number(),
  nll_change_error: z.number(),
  agreement: share,
  divergence: z.number().nonnegative(),
  decode_tps: z.number().positive(),
  dense_decode_tps: z.number().positive(),
  layers: z
    .array(figures.extend({ kind: z.string(), rank: z.number().nullable(), layer: z.number() }))
    .length(6),
});

const folder = mkdtempSync(join(tmpdir(), 'thermocline-eval-predicted-'));
const SET = join(folder, 'hand-made.predictors');
const args = ['eval', '--predictors', SET, '--text', SLICE, '--tokens', '600'];

/** The gate itself, which loses nothing at 0 and predicts too little above. */
const gate = (threshold: number): LayerPredictor => ({
  kind: 'gate',
  reads: 'same-layer',
  threshold: Float32Array.of(threshold),
});
/** All scores are 0 and the threshold is below: every neuron is predicted. */
const everything: LayerPredictor = {
  kind: 'trained',
  reads: 'same-layer',
  threshold: Float32Array.of(-1),
  down: { type: 'F32', rows: 32, columns: 256, values: new Float32Array(32 * 256) },
  up: { type: 'F32', rows: 1024, columns: 32, values: new Float32Array(32 * 1024) },
};

beforeAll(async () => {
  const { fingerprint, info } = await inspectModel(MODEL);
  if (info === null) throw new Error('the demo model does not run');
  await writePredictorSet(SET, {
    fingerprint,
    model: info,
    corpora: [],
    layers: [everything, gate(0), { kind: 'none' }, gate(0.3), gate(0), gate(0)],
  });
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('thermocline eval --predictors', () => {
  it('tells what prediction loses, what it skips and what it takes', async () => {
    const result = evaluation.parse(await runJson(args));
    expect(result.mode).toBe('predicted');
    expect(result.perplexity_change).toBeCloseTo(result.perplexity / result.dense_perplexity - 1);
    expect(result.nll_change).toBeCloseTo(Math.log(1 + result.perplexity_change), 6);
    expect(Math.abs(result.perplexity_change)).toBeLessThan(0.1);
    expect(result.agreement).toBeGreaterThan(0.8);
    expect(result.agreement).toBeLessThan(1);
    expect(result.recall_value).toBeLessThan(1);
    expect(result.recall_value).toBeGreaterThan(result.recall_count as number);
    expect(result.predictor_params_share).toBeCloseTo((32 * (256 + 1024)) / 7_998_720, 12);
    expect(result.predictor_bytes_share).toBeGreaterThan(0);
    const bytes = result.layers.reduce((sum, layer) => sum + (layer.predictor_bytes_share ?? 0), 0);
    expect(bytes).toBeCloseTo(result.predictor_bytes_share as number, 9);

    const [all, exact, none, lossy] = result.layers;
    expect(all).toMatchObject({
      kind: 'trained',
      rank: 32,
      recall_count: 1,
      predicted_sparsity: 0,
    });
    expect(all?.over_prediction).toBeCloseTo(1 / (1 - (all?.true_sparsity ?? 0)), 6);
    expect(exact).toMatchObject({
      kind: 'gate',
      recall_count: 1,
      recall_value: 1,
      over_prediction: 1,
    });
    expect(exact?.predicted_sparsity).toBeCloseTo(exact?.true_sparsity as number, 9);
    expect(none).toMatchObject({
      kind: 'none',
      rank: null,
      recall_value: 1,
      predictor_params_share: 0,
    });
    expect(lossy?.recall_value).toBeLessThan(1);
    expect(lossy?.over_prediction).toBeLessThan(1);
  });

  it('sets all modes beside dense', async () => {
    const result = z
      .object({ mode: z.string(), modes: z.array(z.looseObject({ mode: z.string() })) })
      .parse(await runJson([...args, '--compare']));
    expect(result.mode).toBe('predicted');
    expect(result.modes.map(({ mode }) => mode)).toEqual(['dense', 'exact', 'predicted']);
    const [, exact, predicted] = result.modes;
    expect(evaluation.parse(predicted)).toMatchObject({ mode: 'predicted' });
    expect(evaluation.parse(exact)).toMatchObject({ agreement: 1, recall_value: null });
  });

  it('names the cost, shows the layers and draws them', async () => {
    const html = join(folder, 'eval.html');
    const svg = join(folder, 'eval.svg');
    const { code, stdout, stderr } = await runCli([
      ...args,
      '--layers',
      '--html',
      html,
      '--svg',
      svg,
    ]);
    expect(stderr).toContain(`written: ${html}`);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^perplexity \d+\.\d{4}\n/);
    expect(stdout).toMatch(
      /\npredicted: perplexity \d+\.\d{3}, \d+\.\d\d % (above|below) dense \(\d+\.\d{3} on the same text\)\n/,
    );
    expect(stdout).toMatch(/\n +0 +trained +32 .*\n +1 +gate /);
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('<h2>Recall over depth</h2>');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
    expect(readFileSync(svg, 'utf8')).toContain('Sparsity over depth');
  });

  it('still measures lossless modes alone', async () => {
    const { code, stdout } = await runCli([...args, '--mode', 'exact', '--tokens', '64']);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^perplexity \d+\.\d{4}\n$/);
  });

  it.each([
    [['--mode', 'dense', '--layers'], 2, /--compare/],
    [['--html', SLICE], 2, /file of its own/],
    [['--svg', MODEL], 2, /no picture/],
    [['--mode', 'threshold'], 1, /ReLU|threshold/],
  ])('refuses %j', async (more, expected, message) => {
    const { code, stdout, stderr } = await runCli([...args, '--tokens', '8', ...more]);
    expect({ code, stdout }).toEqual({ code: expected, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

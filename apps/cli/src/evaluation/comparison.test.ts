import type { PredictorSet, StepStats } from '@thermocline/contracts';
import type { ModeComparison, ModeEvaluation, Model } from '@thermocline/runtime';
import { describe, expect, it } from 'vitest';
import { predictorFigure, predictorPage } from '../charts/predictor-page.js';
import { comparisonJson } from './comparison-json.js';
import { costLine, figureTable, layerTable } from './comparison-lines.js';
import { comparisonPicture } from './comparison-picture.js';

const stats: StepStats = {
  tokens: 100,
  timeMs: 50,
  bytesRead: { gpu: 0, cpu: 1000, flash: 0 },
  ffnBytesRead: { gpu: 0, cpu: 600, flash: 0 },
  ffnMs: 4,
  fired: [10, 20],
  neurons: [100, 100],
  computed: [15, 25],
  predictorBytes: [0, 50],
  predictorMs: [0, 1],
};
const decode = (tokensPerSecond: number) => ({ tokensPerSecond, rounds: [tokensPerSecond], stats });

const dense = {
  mode: 'dense',
  perplexity: 8.025,
  nll: 2.0826,
  stats,
  decode: decode(500),
} as const;

const predicted: ModeEvaluation = {
  mode: 'predicted',
  perplexity: 8.0892,
  nll: 2.0905,
  stats,
  decode: decode(750),
  perplexityChange: 0.008,
  nllChange: { mean: 0.00797, standardError: 0.0012 },
  agreement: 0.963,
  divergence: 0.0102,
  whole: {
    trueSparsity: 0.85,
    predictedSparsity: 0.8,
    recallCount: 0.95,
    recallValue: 0.975,
    overPrediction: 1.33,
    predictor: { parameters: 0.12, bytes: 0.05, time: 0.02 },
  },
  layers: [0.9, 0.8].map((trueSparsity, layer) => ({
    trueSparsity,
    predictedSparsity: trueSparsity - 0.05,
    recallCount: layer === 0 ? null : 0.95,
    recallValue: layer === 0 ? null : 0.975,
    overPrediction: layer === 0 ? null : 1.33,
    predictor: { parameters: 0.06 * layer, bytes: 0.05 * layer, time: 0.02 * layer },
  })),
};
const nothing = {
  recallCount: null,
  recallValue: null,
  overPrediction: null,
  predictedSparsity: null,
};
const unpredicted = { ...nothing, predictor: { parameters: null, bytes: null, time: null } };
const exact: ModeEvaluation = {
  ...predicted,
  mode: 'exact',
  perplexity: 8.025,
  nll: 2.0826,
  perplexityChange: 0,
  agreement: 1,
  whole: { trueSparsity: 0.85, ...unpredicted },
  layers: [0.9, 0.8].map((trueSparsity) => ({ trueSparsity, ...unpredicted })),
};
const comparison: ModeComparison = {
  tokens: 100,
  context: 64,
  aborted: false,
  parameters: 1000,
  dense,
  modes: [exact, predicted],
};
const set = {
  layers: [
    { kind: 'none' },
    { kind: 'trained', reads: 'same-layer', down: { rows: 96 }, up: {}, threshold: [0] },
  ],
} as unknown as PredictorSet;
const model = {
  info: {
    name: 'stories <8M>',
    fingerprint: 'abc',
    model: { arch: 'llama', layers: 2, d_model: 8, n_ff: [100, 100], activation: 'relu' },
  },
  predictors: { set, made: set, point: { recall: 0.97 } },
} as unknown as Model;
Object.assign(model.info.model, { experts: 1, heads: 1, kv_heads: 1, vocab: 16, context: 64 });

describe('a comparison of modes', () => {
  it('names the cost of a lossy mode', () => {
    const line = 'predicted: perplexity 8.089, 0.80 % above dense (8.025 on the same text)';
    expect(costLine(predicted, dense)).toBe(line);
    expect(costLine({ ...predicted, perplexityChange: -0.001 }, dense)).toMatch(/0\.10 % below/);
  });

  it('has a row for every figure and a column for every mode', () => {
    const lines = figureTable(comparison).split('\n');
    const row = (name: string) => lines.find((line) => line.trim().startsWith(name))?.trim() ?? '';
    expect(lines[0]?.trim().split(/ +/)).toEqual(['dense', 'exact', 'predicted']);
    expect(row('perplexity')).toMatch(/8\.0250 +8\.0250 +8\.0892$/);
    expect(row('against dense')).toMatch(/\+0\.00 % +\+0\.80 %$/);
    expect(row('nats a token')).toMatch(/\+0\.0080 ± 0\.0012$/);
    expect(row('recall by value')).toMatch(/^recall by value +97\.5 %$/);
    expect(row('of the time')).toMatch(/^of the time +2\.0 %$/);
    expect(row('decoding')).toMatch(/500 tokens\/s +750 tokens\/s +750 tokens\/s$/);
  });

  it('leaves out what no mode has', () => {
    expect(figureTable({ ...comparison, modes: [exact] })).not.toMatch(/recall|predictors/);
    expect(layerTable(exact, null)).not.toMatch(/recall|kind/);
    const slow = { ...comparison, dense: { ...dense, decode: null } };
    expect(figureTable({ ...slow, modes: [{ ...exact, decode: null }] })).not.toMatch(/decoding/);
  });

  it('shows every layer', () => {
    const lines = layerTable(predicted, set).split('\n');
    expect(lines[1]).toMatch(/^ +0 +none +90\.0 % +85\.0 % +0\.0 % +0\.0 % +0\.0 %$/);
    expect(lines[2]).toMatch(/1 +trained +96 +80\.0 % +75\.0 % +97\.5 % +95\.0 % +1\.33× +6\.0 %/);
    expect(lines[3]).toMatch(/all +85\.0 %/);
  });

  it('is flat in JSON, for the mode that was asked for', () => {
    const json = comparisonJson(model, comparison, { mode: 'predicted' });
    expect(json).toMatchObject({
      model: 'stories <8M>',
      mode: 'predicted',
      perplexity: 8.0892,
      nll: 2.0905,
      tokens: 100,
      recall: 0.97,
      sparsity: null,
      dense_perplexity: 8.025,
      perplexity_change: 0.008,
      agreement: 0.963,
      recall_value: 0.975,
      recall_count: 0.95,
      over_prediction: 1.33,
      predicted_sparsity: 0.8,
      predictor_params_share: 0.12,
      predictor_bytes_share: 0.05,
      predictor_time_share: 0.02,
      layers: [
        { layer: 0, kind: 'none', reads: null, rank: null, recall_value: null },
        { layer: 1, kind: 'trained', reads: 'same-layer', rank: 96, recall_value: 0.975 },
      ],
    });
    expect(json).not.toHaveProperty('modes');
  });

  it('has all modes in JSON when they are compared', () => {
    const json = comparisonJson(model, comparison, { mode: 'dense', compare: true });
    expect(json).toMatchObject({ mode: 'dense', perplexity: 8.025 });
    expect(json.modes?.map(({ mode }) => mode)).toEqual(['dense', 'exact', 'predicted']);
  });
});

describe('the pictures of a comparison', () => {
  const passage = { path: '/texts/a&b.txt', source: '', signal: AbortSignal.any([]) };
  const picture = comparisonPicture(model, comparison, passage);

  it('draws the mode that predicts, over depth', async () => {
    const page = await predictorPage(picture);
    for (const title of ['Recall', 'Over-prediction', 'Sparsity', 'Width']) {
      expect(page).toContain(`<h2>${title} over depth</h2>`);
    }
    expect(page).toContain('layer 1: 97.5 % of the value');
    expect(page).toContain('predicted in vain');
    expect(page).toContain('layer 1: trained, 96 hidden units');
    expect(page).toContain('predicted: perplexity 8.089, 0.80 % above dense');
    expect(page).toContain('stories &lt;8M&gt;');
    expect(page).toContain('a&amp;b.txt: 100 tokens in windows of 64');
    expect(page).not.toMatch(/https?:\/\/(?!www\.w3\.org)/);
    expect(page).not.toMatch(/NaN|undefined/);
  });

  it('draws a figure of the same', async () => {
    const figure = await predictorFigure(picture);
    expect(figure).toMatch(/^<\?xml.*\n<svg /);
    expect(figure).toContain('(e)');
    expect(figure).not.toMatch(/NaN|undefined|var\(/);
  });

  it('draws sparsity alone where nothing predicts', async () => {
    const alone = comparisonPicture(model, { ...comparison, modes: [exact] }, passage);
    const page = await predictorPage(alone);
    expect(page.match(/<figure/g)).toHaveLength(1);
    expect(page).toContain('<h2>Sparsity over depth</h2>');
    expect(page).not.toContain('predicted in vain');
  });
});

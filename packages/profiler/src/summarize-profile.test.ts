import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ActivationProfile,
  MAGNITUDE_BINS,
  type ModelInfo,
  magnitudeBinStart,
} from '@thermocline/contracts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAGNITUDE_ERROR } from './summarize-magnitudes.js';
import { type ProfileSummary, summarizeProfile } from './summarize-profile.js';

const REFERENCE = join(import.meta.dirname, '..', '..', 'demo-model', 'reference');

describe('summarizeProfile', () => {
  it('gives the figures of the demo model', () => {
    const bytes = readFileSync(join(REFERENCE, 'fires-8k.npy'));
    const fires = new BigInt64Array(new Uint8Array(bytes.subarray(-6 * 1024 * 8)).buffer);
    const layers = Array.from({ length: 6 }, (_, i) => fires.slice(i * 1024, (i + 1) * 1024));
    const summary = summarizeProfile(profileOf(layers, 8192));
    const percent = ({ neuronsFor80Percent }: { neuronsFor80Percent: number | null }) =>
      Number(((neuronsFor80Percent as number) * 100).toFixed(1));
    expect(summary.layers.map(percent)).toEqual([71.6, 68.0, 71.4, 72.3, 73.4, 73.3]);
    expect(percent(summary.model)).toBe(61.9);
  });

  it('equals what sorting and adding up by hand gives', () => {
    const count = fc.bigInt({ min: 0n, max: 100n });
    const layer = fc.array(count, { minLength: 1, maxLength: 60 });
    fc.assert(
      fc.property(fc.array(layer, { minLength: 1, maxLength: 4 }), (counts) => {
        const summary = summarizeProfile(profileOf(counts.map(toCounts), 100));
        for (const [index, layer] of counts.entries()) {
          expectFigures(summary.layers[index] as ProfileSummary['model'], layer);
        }
        expectFigures(summary.model, counts.flat());
      }),
    );
  });

  it('makes layers comparable that saw unequal numbers of tokens', () => {
    const profile = profileOf([toCounts([10n, 0n]), toCounts([40n, 20n])], 100);
    (profile.layers[0] as { tokens: number }).tokens = 25;
    const { model, layers } = summarizeProfile(profile);
    // 10 of 25 tokens are 40 of 100.
    expect(model.curve.rates).toEqual([0.4, 0.4, 0.2, 0]);
    expect(layers.map(({ tokens, activeRatio }) => [tokens, activeRatio])).toEqual([
      [25, 0.2],
      [100, 0.3],
    ]);
  });

  it('says nothing where nothing was read or nothing fired', () => {
    const { model } = summarizeProfile(profileOf([toCounts([0n, 0n, 0n])], 0));
    expect(model).toMatchObject({ activeRatio: null, neuronsFor80Percent: null, gini: null });
    const silent = summarizeProfile(profileOf([toCounts([0n, 0n, 0n])], 8)).model;
    expect(silent).toMatchObject({ activeRatio: 0, neuronsFor80Percent: null, neverFired: 3 });
    expect(silent).not.toHaveProperty('domains');
  });

  it('reads quantiles off the histogram to half a bin', () => {
    const values = Array.from({ length: 1000 }, (_, i) => 10 ** (-4 + i / 200));
    const magnitudes = new BigInt64Array(MAGNITUDE_BINS);
    for (const value of values) {
      const bin = Math.floor((Math.log2(value) + 24) * 8);
      magnitudes[bin] = (magnitudes[bin] as bigint) + 1n;
    }
    magnitudes[0] = 3000n;
    const profile = profileOf([toCounts([1n])], 4000);
    Object.assign(profile.layers[0] as object, { magnitudes, threshold: 0.5 });
    const layer = summarizeProfile(profile).layers[0];
    expect(layer?.threshold).toBe(0.5);
    expect(layer?.magnitudes?.zeroRatio).toBe(0.75);
    for (const { share, value } of layer?.magnitudes?.quantiles ?? []) {
      const exact = values[Math.ceil(share * 1000) - 1] as number;
      expect(Math.max(exact / value, value / exact)).toBeLessThanOrEqual(MAGNITUDE_ERROR + 1e-9);
    }
    expect(layer?.magnitudes?.density.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 12);
    expect(magnitudeBinStart(192)).toBe(1);
  });

  it('compares the hot neurons of kinds of text', () => {
    const layers = [toCounts([30n, 9n, 0n, 1n, 2n, 0n, 0n, 0n, 0n, 8n])];
    const profile = profileOf(layers, 100);
    profile.domains = [
      {
        name: 'stories',
        tokens: [50],
        fires: [toCounts([20n, 9n, 0n, 1n, 0n, 0n, 0n, 0n, 0n, 4n])],
      },
      { name: 'wiki', tokens: [50], fires: [toCounts([10n, 0n, 0n, 0n, 2n, 0n, 0n, 0n, 0n, 4n])] },
    ];
    const domains = summarizeProfile(profile).domains;
    expect(domains?.domains.map(({ activeRatio }) => activeRatio)).toEqual([34 / 500, 16 / 500]);
    // The two hottest of ten: {0, 1} and {0, 9}; on 5 tokens or more: {0, 1} and {0}.
    const top = { a: 'stories', b: 'wiki', jaccard: 1 / 3, overlap: 1 / 2 };
    const often = { a: 'stories', b: 'wiki', jaccard: 1 / 2, overlap: 1 };
    expect(domains?.top20Percent).toEqual({ model: [top], layers: [[top]] });
    expect(domains?.tenthOfTokens).toEqual({ model: [often], layers: [[often]] });
  });

  it('takes a fifth of the neurons for hot, whatever the counts', () => {
    const counts = fc.array(fc.bigInt({ min: 0n, max: 9n }), { minLength: 5, maxLength: 50 });
    fc.assert(
      fc.property(counts, fc.bigInt({ min: 1n, max: 1_000_000n }), (once, scale) => {
        const fires = toCounts(once.map((count) => count * scale));
        const profile = profileOf([fires], 1e7);
        const other = new BigInt64Array(fires.length).fill(1n);
        profile.domains = [
          { name: 'counts', tokens: [1e7], fires: [fires] },
          { name: 'first', tokens: [1e7], fires: [other] },
        ];
        const pair = summarizeProfile(profile).domains?.top20Percent.model[0];
        // Of those that fire equally often, the first fifth is hot.
        const size = Math.round(fires.length / 5);
        const order = [...fires.keys()].sort(
          (a, b) => Number((fires[b] as bigint) - (fires[a] as bigint)) || a - b,
        );
        const hot = order.slice(0, size).filter((neuron) => (fires[neuron] as bigint) > 0n);
        const both = hot.filter((neuron) => neuron < size).length;
        expect(pair?.jaccard).toBe(both / (hot.length + size - both));
      }),
    );
  });

  it('calls no neuron hot that never fires, and finds nothing in common in nothing', () => {
    const silent = toCounts([0n, 0n, 0n, 0n, 0n]);
    const profile = profileOf([silent], 2);
    profile.domains = [
      { name: 'a', tokens: [1], fires: [silent] },
      { name: 'b', tokens: [1], fires: [silent] },
    ];
    const nothing = { a: 'a', b: 'b', jaccard: null, overlap: null };
    expect(summarizeProfile(profile).domains?.top20Percent.model).toEqual([nothing]);
  });

  it('summarizes five million neurons quickly', () => {
    const layers = Array.from({ length: 96 }, () => {
      const fires = new BigInt64Array(49_152);
      for (let i = 0; i < fires.length; i++) fires[i] = BigInt((i * 7919) % 4096);
      return fires;
    });
    const start = performance.now();
    expect(summarizeProfile(profileOf(layers, 4096)).model.neurons).toBe(4_718_592);
    // About a second on two idle cores.
    expect(performance.now() - start).toBeLessThan(15_000);
  });
});

function expectFigures(summary: ProfileSummary['model'], counts: readonly bigint[]): void {
  const sorted = counts.map(Number).sort((a, b) => b - a);
  const total = sorted.reduce((sum, count) => sum + count, 0);
  expect(summary.neverFired).toBe(sorted.filter((count) => count === 0).length);
  expect(summary.activeRatio).toBeCloseTo(total / (100 * sorted.length), 12);
  if (total === 0) return;
  let [taken, reached] = [0, 0];
  while (reached < 0.8 * total) reached += sorted[taken++] as number;
  expect(summary.neuronsFor80Percent).toBe(taken / sorted.length);
  const { neurons, firings, rates } = summary.curve;
  expect([neurons.at(-1), firings.at(-1)]).toEqual([1, 1]);
  for (const [point, share] of neurons.entries()) {
    const rank = Math.round(share * sorted.length);
    const sum = sorted.slice(0, rank).reduce((a, b) => a + b, 0);
    expect(firings[point]).toBeCloseTo(sum / total, 12);
    expect(rates[point]).toBe((sorted[rank - 1] as number) / 100);
  }
  const differences = sorted.flatMap((a) => sorted.map((b) => Math.abs(a - b)));
  const mean = differences.reduce((a, b) => a + b, 0) / (2 * total * sorted.length);
  expect(summary.gini).toBeCloseTo(mean, 10);
}

function toCounts(counts: readonly bigint[]): BigInt64Array {
  return BigInt64Array.from(counts);
}

function profileOf(layers: readonly BigInt64Array[], tokens: number): ActivationProfile {
  const model: ModelInfo = {
    arch: 'llama',
    layers: layers.length,
    d_model: 256,
    n_ff: layers.map(({ length }) => length),
    experts: 1,
    heads: 4,
    kv_heads: 2,
    head_dim: 64,
    vocab: 4096,
    tied: false,
    gated: true,
    activation: 'relu',
    context: 512,
    weight_types: {},
  };
  return {
    fingerprint: '0123456789abcdef',
    model,
    corpora: [],
    layers: layers.map((fires) => ({ tokens, fires })),
  };
}

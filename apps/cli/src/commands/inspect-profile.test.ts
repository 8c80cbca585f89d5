import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type ActivationProfile,
  MAGNITUDE_BINS,
  type ModelInfo,
  writeActivationProfile,
} from '@thermocline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEMO, ROOT, runCli, runJson } from '../testing/run-cli.js';

const folder = mkdtempSync(join(tmpdir(), 'thermocline-inspect-'));
const SLICE = join(folder, 'slice.profile');
const LARGE = join(folder, 'large.profile');

beforeAll(async () => {
  const bytes = readFileSync(join(DEMO, 'reference', 'fires-8k.npy'));
  const fires = new BigInt64Array(new Uint8Array(bytes.subarray(-6 * 1024 * 8)).buffer);
  const layers = Array.from({ length: 6 }, (_, i) => fires.slice(i * 1024, (i + 1) * 1024));
  await writeActivationProfile(SLICE, profileOf(layers, 8192));
  await writeActivationProfile(LARGE, largeProfile());
});
afterAll(() => rmSync(folder, { recursive: true }));

const PLAN = join(ROOT, 'packages', 'contracts', 'fixtures', 'placement-plan.safetensors');

describe('thermocline inspect of a profile', () => {
  it('gives the share of neurons for 80 % of the firings by layer and for the whole model', async () => {
    const result = (await runJson(['inspect', SLICE])) as ProfileJson;
    const percent = (one: { neurons_for_80_percent: number }) =>
      Number((one.neurons_for_80_percent * 100).toFixed(1));
    expect(result.layers.map(percent)).toEqual([71.6, 68.0, 71.4, 72.3, 73.4, 73.3]);
    expect(percent(result.whole_model)).toBe(61.9);
    expect(result).toMatchObject({
      kind: 'profile',
      tokens: 8192,
      domain_overlap: null,
      shards: [],
    });
    const { stdout } = await runCli(['inspect', SLICE]);
    expect(stdout).toMatch(/ 5 +1,024 +8,192 +18\.7 % +73\.3 % +█{14}.·+ +0 +█/);
    expect(stdout).toMatch(/ all +6,144 +8,192 +11\.7 % +61\.9 %/);
    expect(stdout).toContain('61.9 % of all 6,144 neurons make 80 % of the firings');
  });

  it('shows thresholds, magnitudes, kinds of text and missing shards', async () => {
    const result = (await runJson(['inspect', LARGE])) as ProfileJson;
    expect(result).toMatchObject({
      shards: [{ run: 'run', count: 4, present: [0, 2], missing: [1, 3] }],
      domains: [{ name: 'a <b>"&', tokens: 100 }, { name: 'code' }, { name: 'wiki' }],
    });
    expect(result.layers[1]).toMatchObject({ threshold: 0.25, magnitudes: { zero_ratio: 0.5 } });
    const pairs = result.domain_overlap?.top_20_percent.whole_model ?? [];
    expect(pairs.map(({ a, b }) => [a, b])).toEqual([
      ['a <b>"&', 'code'],
      ['a <b>"&', 'wiki'],
      ['code', 'wiki'],
    ]);
    expect(result.domain_overlap?.tenth_of_tokens.layers).toHaveLength(96);
    for (const { jaccard, overlap } of pairs) expect(jaccard).toBeLessThanOrEqual(overlap);
    const { stdout } = await runCli(['inspect', LARGE]);
    expect(stdout).toMatch(/part of a run: shard 0, 2 of 4; missing: 1, 3/);
    expect(stdout).toMatch(/code · wiki +\d\.\d\d +\d+\.\d % +\d\.\d\d–\d\.\d\d/);
    expect(stdout).toMatch(/\|h\| >/);
    expect(stdout).toMatch(/± 4\.4 %/);
    expect(stdout).toMatch(/… 72 more: --all/);
  });

  it('writes a page that needs nothing else, and escapes what files say', async () => {
    const path = join(folder, 'page.html');
    const { code, stderr } = await runCli(['inspect', LARGE, '--html', path]);
    expect([code, stderr]).toEqual([0, `written: ${path}\n`]);
    const page = readFileSync(path, 'utf8');
    // Five kinds of charts: curves, rates, depth, magnitudes, three of overlap.
    expect(page.match(/<figure/g)).toHaveLength(7);
    expect(page.match(/<svg /g)).toHaveLength(8);
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page).toContain('<title>layer 95: ');
    expect(page).not.toMatch(/<(script|link|img|iframe)\b|@import|url\(|src=/);
    expect(page).not.toMatch(/https?:/);
    expect(page).not.toContain('<b>');
    expect(page).toContain('a &lt;b&gt;');
    expect(page).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('writes a figure with text as text and colours spelled out', async () => {
    const path = join(folder, 'figure.svg');
    await runCli(['inspect', LARGE, '--svg', path]);
    const figure = readFileSync(path, 'utf8');
    expect(figure).toMatch(/^<\?xml version="1.0" encoding="UTF-8"\?>\n<svg xmlns=/);
    expect(figure).toMatch(/>neurons, hottest first \(%\)</);
    expect(figure).toMatch(/>firing rate \(% of tokens\)</);
    expect(figure).toContain('fill="#ffffff"');
    // Programs for papers know neither variables nor style sheets, and XML no named spaces.
    expect(figure).not.toMatch(/currentColor|var\(|<style|&nbsp;|NaN|undefined/);
    expect(count(figure, /<[a-z]/gi)).toBe(count(figure, /<\/[a-z]|\/>/gi));
  });

  it('replaces an older picture as a whole and leaves nothing beside it', async () => {
    const path = join(folder, 'again.svg');
    await runCli(['inspect', LARGE, '--svg', path]);
    const before = statSync(path);
    await runCli(['inspect', SLICE, '--svg', path]);
    const after = statSync(path);
    expect(after.size).toBeLessThan(before.size);
    expect(after.ino).not.toBe(before.ino);
    expect(readdirSync(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
  });

  it('draws what there is of an empty profile', async () => {
    const path = join(folder, 'empty.profile');
    await writeActivationProfile(path, profileOf([new BigInt64Array(4)], 0));
    const html = join(folder, 'empty.html');
    const { code, stdout } = await runCli(['inspect', path, '--html', html]);
    expect(code).toBe(0);
    expect(stdout).toContain('No neuron fired.');
    expect(readFileSync(html, 'utf8')).not.toMatch(/NaN|undefined|Infinity/);
  });

  it.each([
    [[PLAN, '--html', 'x.html'], /only/],
    [[SLICE, '--html', SLICE], /file of its own/],
    [[SLICE, '--svg', PLAN], /is no picture/],
    [[SLICE, '--html', 'x', '--svg', 'x'], /file of its own/],
  ])('calls %j wrong usage', async (args, message) => {
    const { code, stderr } = await runCli(['inspect', ...args], { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });

  it('fails where the picture cannot be written', async () => {
    const { code, stderr } = await runCli([
      'inspect',
      SLICE,
      '--svg',
      join(folder, 'none', 'x.svg'),
    ]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/none.*no such folder/);
  });
});

interface FiguresJson {
  neurons_for_80_percent: number;
}
interface PairJson {
  a: string;
  b: string;
  jaccard: number;
  overlap: number;
}
interface OverlapJson {
  whole_model: PairJson[];
  layers: PairJson[][];
}
interface ProfileJson {
  layers: FiguresJson[];
  whole_model: FiguresJson;
  domain_overlap: { top_20_percent: OverlapJson; tenth_of_tokens: OverlapJson } | null;
}

function count(text: string, pattern: RegExp): number {
  return text.match(pattern)?.length ?? 0;
}

/** 96 layers of three kinds of text, with all that a profile may hold beside counts. */
function largeProfile(): ActivationProfile {
  const [layers, neurons, tokens] = [96, 64, 100];
  const names = ['a <b>"&', 'code', 'wiki'];
  const fires = names.map((_, domain) =>
    Array.from({ length: layers }, (_, layer) =>
      BigInt64Array.from({ length: neurons }, (_, neuron) =>
        BigInt((neuron * (17 + domain) + layer * 3) % 61),
      ),
    ),
  );
  const sums = Array.from({ length: layers }, (_, layer) =>
    BigInt64Array.from({ length: neurons }, (_, neuron) =>
      fires.reduce((sum, domain) => sum + (domain[layer]?.[neuron] as bigint), 0n),
    ),
  );
  const profile = profileOf(sums, tokens * names.length);
  for (const [index, layer] of profile.layers.entries()) {
    layer.magnitudes = new BigInt64Array(MAGNITUDE_BINS);
    layer.magnitudes[0] = 10n;
    layer.magnitudes[150 + (index % 20)] = 10n;
    layer.threshold = 0.25;
  }
  profile.domains = names.map((name, domain) => ({
    name,
    tokens: Array.from({ length: layers }, () => tokens),
    fires: fires[domain] as BigInt64Array[],
  }));
  profile.shards = [0, 2].map((index) => ({ run: 'run', index, count: 4 }));
  profile.corpora = [{ name: '<b>.txt', sha256: '0'.repeat(64), tokens: 300 }];
  return profile;
}

function profileOf(fires: readonly BigInt64Array[], tokens: number): ActivationProfile {
  const model: ModelInfo = {
    arch: 'llama',
    layers: fires.length,
    d_model: 256,
    n_ff: fires.map(({ length }) => length),
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
  const layers = fires.map((counts) => ({ tokens, fires: counts }));
  return { fingerprint: '0123456789abcdef', model, corpora: [], layers };
}

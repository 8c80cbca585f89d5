import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import {
  type ModelInfo,
  readActivationProfile,
  writeActivationProfile,
} from '@thermocline/contracts';
import fc from 'fast-check';
import { afterAll, beforeEach, describe, expect, it } from 'vitest';
import { summarizeProfile } from '../summarize-profile.js';
import { importActivations } from './import-activations.js';

const FIXTURES = resolve(import.meta.dirname, '..', '..', 'fixtures');
const [LAYERS, NEURONS] = [12, 20];
/** As in make-fixtures.py. */
const COUNTS = Array.from({ length: LAYERS }, (_, layer) =>
  Array.from({ length: NEURONS }, (_, neuron) => (layer * 7919 + neuron * 104_729) % 997),
);
const HIGHEST = Math.max(...COUNTS.flat());

const root = mkdtempSync(join(tmpdir(), 'thermocline-import-'));
let folder = root;
let folders = 0;
beforeEach(() => {
  folder = join(root, String(folders++));
  mkdirSync(folder);
});
afterAll(() => rmSync(root, { recursive: true }));

function modelOf(layers: number, neurons: number, overrides: Partial<ModelInfo> = {}): ModelInfo {
  return {
    arch: 'llama',
    layers,
    d_model: 8,
    n_ff: Array.from({ length: layers }, () => neurons),
    experts: 1,
    heads: 1,
    kv_heads: 1,
    head_dim: 8,
    vocab: 16,
    tied: false,
    gated: true,
    activation: 'relu',
    context: 64,
    weight_types: {},
    ...overrides,
  };
}

const options = { model: modelOf(LAYERS, NEURONS), fingerprint: 'fp' };
const fixture = (...parts: string[]) => join(FIXTURES, ...parts);

async function countsOf(...paths: string[]): Promise<number[][]> {
  const { layers } = await importActivations(paths, { ...options, tokens: 5000 });
  return layers.map(({ fires }) => Array.from(fires, Number));
}

describe('importActivations', () => {
  it.each([
    [fixture('powerinfer-int64')],
    [fixture('powerinfer-int32')],
    [fixture('powerinfer-float32')],
    [fixture('torch', 'all-layers.pt')],
    [fixture('torch', 'strided.pt')],
    [fixture('torch', 'half.pt')],
    [fixture('torch', 'protocol-4.pt')],
    [fixture('numpy', 'all-layers.npy')],
    [fixture('numpy', 'column-major-u4.npy')],
    [fixture('numpy', 'float64.npy')],
    [fixture('numpy', 'layers')],
    [fixture('safetensors', 'layers.safetensors')],
  ])('reads %s', async (path) => {
    expect(await countsOf(path)).toEqual(COUNTS);
  });

  it('reads bfloat16 with what that keeps of a number', async () => {
    const counts = await countsOf(fixture('torch', 'bfloat16.pt'));
    const pairs = counts.flatMap((list, layer) =>
      list.map((count, neuron) => [count, COUNTS[layer]?.[neuron] as number] as const),
    );
    for (const [count, exact] of pairs)
      expect(Math.abs(count - exact)).toBeLessThan(exact / 250 + 1e-9);
  });

  it('takes files in any order and sorts layers as numbers', async () => {
    const files = Array.from({ length: LAYERS }, (_, layer) =>
      fixture('powerinfer-int64', `activation_${layer}.pt`),
    );
    expect(await countsOf(...files.toReversed())).toEqual(COUNTS);
  });

  it('reads raw numbers, of layers of different widths too', async () => {
    const numbers = Uint32Array.of(1, 2, 3, 4, 5);
    const path = join(folder, 'counts.u32');
    writeFileSync(path, numbers);
    const model = modelOf(2, 2, { n_ff: [2, 3] });
    const { layers } = await importActivations([path], { ...options, model });
    expect(layers.map(({ fires }) => Array.from(fires, Number))).toEqual([
      [1, 2],
      [3, 4, 5],
    ]);
    const wide = join(folder, 'counts.i64');
    writeFileSync(wide, BigInt64Array.from(numbers, BigInt));
    const again = await importActivations([wide], { ...options, model });
    expect(again.layers).toEqual(layers);
  });

  it('makes a profile that can be written and says where it is from', async () => {
    const path = fixture('numpy', 'all-layers.npy');
    const profile = await importActivations([path], { ...options, tokens: 2000 });
    const written = join(folder, 'x.profile.safetensors');
    await writeActivationProfile(written, profile);
    expect(await readActivationProfile(written)).toEqual(profile);
    expect(profile.madeBy).toMatchObject({
      tool: '@thermocline/profiler',
      options: { imported: [{ name: 'all-layers.npy' }], tokens: 2000, tokens_from: 'option' },
    });
  });

  it('takes the highest count for the tokens where nothing is said, and says so', async () => {
    const notices: string[] = [];
    const profile = await importActivations([fixture('powerinfer-int64')], {
      ...options,
      onNotice: (notice) => notices.push(notice),
    });
    expect(new Set(profile.layers.map(({ tokens }) => tokens))).toEqual(new Set([HIGHEST]));
    expect(profile.madeBy?.options).toMatchObject({
      tokens: HIGHEST,
      tokens_from: 'highest count',
    });
    expect(notices).toEqual([expect.stringContaining(`${HIGHEST}, the highest count`)]);
  });

  it('believes the file about the tokens, unless that contradicts the caller', async () => {
    const notices: string[] = [];
    const onNotice = (notice: string) => notices.push(notice);
    const many = fixture('safetensors', 'layers-and-tokens.safetensors');
    const { layers, madeBy } = await importActivations([many], { ...options, onNotice });
    expect(layers.every(({ tokens }) => tokens === 5000)).toBe(true);
    expect(madeBy?.options['tokens_from']).toBe('file');
    const one = fixture('safetensors', 'one-array.safetensors');
    const whole = await importActivations([one], { ...options, onNotice });
    expect(whole.layers[3]?.tokens).toBe(4000);
    expect(notices).toEqual([]);
    const contradiction = importActivations([one], { ...options, tokens: 3999 });
    await expect(contradiction).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(contradiction).rejects.toThrow(/3999.*4000/);
  });

  it('refuses fewer tokens than a neuron has fired', async () => {
    const files = Array.from({ length: LAYERS }, (_, layer) =>
      fixture('powerinfer-int64', `activation_${layer}.pt`),
    );
    const layer = COUNTS.findIndex((counts) => counts.some((count) => count > 990));
    const importing = importActivations(files, { ...options, tokens: 990 });
    await expect(importing).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
    await expect(importing).rejects.toThrow(
      new RegExp(`activation_${layer}\\.pt: layer ${layer}, neuron \\d+ fired 99\\d times in 990`),
    );
  });

  it.each([
    ['another object', 'parameter.pt', 'ARTIFACT_CORRUPT', /GLOBAL at byte 2 .*_rebuild_parameter/],
    ['a dictionary', 'dict.pt', 'ARTIFACT_CORRUPT', /EMPTY_DICT at byte 2/],
    ['the old format', 'legacy.pt', 'ARTIFACT_FORMAT', /before version 1\.6.*torch\.save/],
    ['fractions', 'fractions.pt', 'ARTIFACT_CORRUPT', /layer 0, neuron 0: 0\.5 is no count/],
    ['.npz', '../numpy/all-layers.npz', 'ARTIFACT_FORMAT', /numpy\.save/],
    ['a program', '../make-fixtures.py', 'ARTIFACT_FORMAT', /\.safetensors \.npy \.pt/],
    ['mixed folders', '..', 'ARTIFACT_CORRUPT', /no \.pt/],
    ['nothing', 'none.pt', 'FILE_NOT_FOUND', /none\.pt/],
  ])('refuses %s', async (_, name, code, message) => {
    const path = fixture('torch', name);
    await expect(importActivations([path], options)).rejects.toThrow(message);
    await expect(importActivations([path], options)).rejects.toMatchObject({ code });
  });

  it('refuses the counts of another model, naming file and layer', async () => {
    const refused = async (paths: string[], model: ModelInfo, message: RegExp) => {
      const importing = importActivations(paths, { ...options, model });
      await expect(importing).rejects.toMatchObject({ code: 'ARTIFACT_MODEL_MISMATCH' });
      await expect(importing).rejects.toThrow(message);
    };
    const layers = fixture('powerinfer-int64');
    await refused([layers], modelOf(11, NEURONS), /activation_11\.pt.*layers 0 to 10.*layer 11/);
    await refused([layers], modelOf(13, NEURONS), /layers 0 to 12.*no layer 12/);
    await refused([layers], modelOf(12, 21), /activation_0\.pt.*21 neurons in layer 0.*20/);
    await refused([join(layers, 'activation_3.pt')], options.model, /activation_3.*no layer 0/);
    const whole = fixture('numpy', 'all-layers.npy');
    await refused([whole], modelOf(11, NEURONS), /11 layers.*12 × 20/);
    const safe = fixture('safetensors', 'layers.safetensors');
    await refused([safe], modelOf(12, 19), /"model\.layers\.0\.mlp\.counts".*19 neurons/);
    await refused([safe], modelOf(13, NEURONS), /no layer 12/);
    const raw = join(folder, 'counts.u32');
    writeFileSync(raw, new Uint32Array(5));
    await refused([raw], options.model, /240 neurons in 12 layers.*5 numbers/);
  });

  it('refuses layers that are there twice, missing in the middle, or named differently', async () => {
    const from = fixture('powerinfer-int64');
    const copy = (layer: number, name: string) =>
      copyFileSync(join(from, `activation_${layer}.pt`), join(folder, name));
    for (let layer = 0; layer < LAYERS; layer++) if (layer !== 7) copy(layer, `a_${layer}.pt`);
    const model = options.model;
    await expect(importActivations([folder], { ...options, model })).rejects.toThrow(/no layer 7/);
    copy(7, 'a_07.pt');
    expect(await countsOf(folder)).toEqual(COUNTS);
    copy(7, 'a_7.pt');
    await expect(importActivations([folder], options)).rejects.toThrow(/both layer 7/);
    rmSync(join(folder, 'a_7.pt'));
    copy(7, 'b_7.pt');
    await expect(importActivations([folder], options)).rejects.toThrow(/called in another way/);
  });

  it('refuses counts that are all zero', async () => {
    const path = join(folder, 'counts.u32');
    writeFileSync(path, new Uint32Array(LAYERS * NEURONS));
    await expect(importActivations([path], options)).rejects.toThrow(/no neuron ever fired/);
  });

  // Each of these changes bytes of a sound file; what comes out is counts or one of our errors.
  it.each([
    ['activation_3.pt', fixture('powerinfer-int64', 'activation_3.pt')],
    ['protocol-4.pt', fixture('torch', 'protocol-4.pt')],
    ['counts.npy', fixture('numpy', 'layers', 'layer-3.npy')],
    ['counts.safetensors', fixture('safetensors', 'one-array.safetensors')],
  ])('survives every damage to %s', async (name, source) => {
    const sound = readFileSync(source);
    const path = join(folder, name);
    const changes = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), { maxLength: 4 });
    const length = fc.oneof(fc.constant(sound.length), fc.nat(sound.length));
    await fc.assert(
      fc.asyncProperty(changes, length, async (list, end) => {
        const bytes = Buffer.from(sound);
        for (const [at, value] of list) bytes[at] = value;
        writeFileSync(path, bytes.subarray(0, end));
        const model = name.startsWith('activation') ? modelOf(1, NEURONS) : options.model;
        await importActivations([path], { ...options, model }).catch((error: unknown) => {
          expect(error).toMatchObject({ name: 'PipelineError' });
          expect((error as { code: string }).code).not.toBe('INTERNAL');
        });
      }),
      { numRuns: 400 },
    );
  });
});

describe('the counts of the demo model', () => {
  const data =
    process.env['THERMOCLINE_TEST_DATA'] ??
    resolve(import.meta.dirname, '..', '..', '..', '..', '..', 'shared', 'data');
  const path = join(data, 'demo-model', 'activation-counts.u32');
  const missing = !existsSync(path);
  if (missing) console.warn(`skipped: ${path} is not here (extra test data)`);

  it.skipIf(missing)('give the concentration that its makers measured', async () => {
    const model = modelOf(6, 1024);
    const profile = await importActivations([path], { model, fingerprint: 'fp', tokens: 65_536 });
    const summary = summarizeProfile(profile);
    const expected = [72.4, 69.0, 72.0, 73.0, 74.5, 74.8];
    for (const [layer, percent] of expected.entries()) {
      const share = summary.layers[layer]?.neuronsFor80Percent as number;
      expect(Math.abs(100 * share - percent)).toBeLessThan(0.2);
    }
    expect(Math.abs(100 * (summary.model.neuronsFor80Percent as number) - 62.4)).toBeLessThan(0.2);
  });
});

import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openArtifact, type TokenWindow } from '@thermocline/contracts';
import { describe, expect, it } from 'vitest';
import { collectSamples } from './collect-samples.js';
import { planPasses, type SamplePass } from './plan-passes.js';
import { exactMath } from './testing/exact-math.js';
import { fromHalf } from './testing/from-half.js';
import { readSamples } from './testing/read-samples.js';
import { temporaryFolder } from './testing/temporary-folder.js';
import { type TinyOptions, tinyModel, tinyWindows } from './testing/tiny-model.js';
import type { TrainOptions } from './train-options.js';
import { planTraining } from './train-run.js';
import { openWorkFolder } from './work-folder.js';

const folder = temporaryFolder();
const WINDOWS = tinyWindows(20, 12);
const [VIEW, OWN] = ['previous-layer', 'same-layer'] as const;
let count = 0;

/** Opens a folder and collects all layers; the same path goes on there. */
async function collect(
  options: Partial<TrainOptions> = {},
  tiny: TinyOptions = {},
  path = join(folder, String(count++)),
  windows = WINDOWS,
  layers = [0, 1, 2],
) {
  const model = tinyModel(tiny);
  const profile = await tinyModel({ ...tiny, onWindow: () => {} }).profile(windows);
  const given = { math: exactMath(), weights: model, windows: () => windows, ...options };
  const run = planTraining(model, profile, { ...given, checkpoint: { path } });
  const work = await openWorkFolder(run);
  try {
    const passes = planPasses(run, layers);
    const pass = passes[0] as SamplePass;
    return { path, run, passes, pass, samples: await collectSamples(run, work, pass) };
  } finally {
    await work.close();
  }
}

/** What the model shows, without a detour. */
async function shown(windows: TokenWindow[], layer: number, stream: 'ffn-input' | 'activation') {
  const rows: number[][] = [];
  for await (const batch of tinyModel().observe(windows, { layers: [layer], streams: [stream] })) {
    for (let i = 0; i < batch.values.length; i += batch.width) {
      rows.push([...batch.values.subarray(i, i + batch.width)]);
    }
  }
  return rows;
}

const trainWindows = WINDOWS.filter((_, i) => i % 8 !== 7);
const near = (a: number, b: number) => Math.abs(a - b) <= 1e-3 * Math.abs(b) + 1e-6;

describe('collectSamples', () => {
  it('keeps what the model showed, apart what is held out', async () => {
    const { samples, run } = await collect();
    for (const layer of [0, 2]) {
      const { train, heldOut } = samples.of(layer, OWN);
      expect(train.norms).toBe(run.norms[layer]);
      const rows = await readSamples(train);
      const [x, h] = [
        await shown(trainWindows, layer, 'ffn-input'),
        await shown(trainWindows, layer, 'activation'),
      ];
      expect(rows).toHaveLength(18 * 12);
      for (const [i, row] of rows.entries()) {
        expect(row.x.every((value, d) => near(value, x[i]?.[d] as number))).toBe(true);
        expect(row.h.every((value, n) => near(value, Math.abs(h[i]?.[n] as number)))).toBe(true);
        expect(row.h.every((value, n) => value > 0 === (h[i]?.[n] !== 0))).toBe(true);
      }
      expect(await readSamples(heldOut)).toHaveLength(2 * 12);
    }
  });

  it('gives a predictor that looks ahead the state of the layer before', async () => {
    const { samples } = await collect({ lookahead: true });
    const [ahead, own] = [samples.of(1, VIEW).train, samples.of(1, OWN).train];
    const [before, same] = [await readSamples(ahead), await readSamples(own)];
    const [x0, x1] = [
      await shown(trainWindows, 0, 'ffn-input'),
      await shown(trainWindows, 1, 'ffn-input'),
    ];
    for (const [i, row] of before.entries()) {
      expect(row.h).toEqual(same[i]?.h);
      expect(near(row.x[5] as number, x0[i]?.[5] as number)).toBe(true);
      expect(near(same[i]?.x[5] as number, x1[i]?.[5] as number)).toBe(true);
    }
  });

  it('writes files that say what they are', async () => {
    const { samples } = await collect();
    await using file = await openArtifact(samples.of(1, OWN).heldOut.files[0] as string);
    expect(Object.fromEntries(file.metadata)).toMatchObject({
      format: 'thermocline.samples',
      format_version: '1',
      fingerprint: 'tiny-relu-48-64-80',
      layer: '1',
    });
    expect([...file.tensors.values()].map(({ name, type }) => `${name} ${type}`).sort()).toEqual([
      'fires U8',
      'offsets I64',
      'values F16',
      'x F16',
    ]);
  });

  it('counts as firing what is above the threshold of the profile, and all of it for gates', async () => {
    const tiny: TinyOptions = { activation: 'silu' };
    const above = await readSamples(
      (await collect({}, { threshold: 0.2 })).samples.of(0, OWN).train,
    );
    const all = await readSamples((await collect({ kind: 'gate' }, tiny)).samples.of(0, OWN).train);
    expect(above.every(({ h }) => h.every((value) => value === 0 || value > 0.19))).toBe(true);
    expect(all.every(({ h }) => h.every((value) => value > 0))).toBe(true);
  });

  it('goes on behind the last file when it was interrupted', async () => {
    const windows = tinyWindows(24, 120);
    const path = join(folder, 'interrupted');
    let seen = 0;
    const failing: TinyOptions = {
      onWindow: () => {
        if (++seen > 19) throw new Error('the power went');
      },
    };
    await expect(collect({}, failing, path, windows)).rejects.toThrow('the power went');
    let again = 0;
    const counting: TinyOptions = { onWindow: () => void again++ };
    const resumed = await collect({}, counting, path, windows);
    // Seventeen windows lie in the first file.
    expect(again).toBe(24 - 17);
    const plain = await collect({}, {}, undefined, windows);
    for (const part of ['train', 'heldOut'] as const) {
      const rows = await readSamples(resumed.samples.of(2, OWN)[part]);
      expect(rows).toEqual(await readSamples(plain.samples.of(2, OWN)[part]));
    }
    expect(resumed.samples.of(2, OWN).train.files).toHaveLength(2);
    expect(resumed.samples.of(2, OWN, { train: 2000 }).train.files).toHaveLength(1);
  });

  it('reads nothing again for some of the layers, and everything for more', async () => {
    const path = join(folder, 'fewer');
    let read = 0;
    const counting: TinyOptions = { onWindow: () => void read++ };
    const rows = async (layers: number[]) => {
      const { samples } = await collect({}, counting, path, WINDOWS, layers);
      const last = layers.at(-1) as number;
      return (await readSamples(samples.of(last, OWN).train)).length;
    };
    const all = await rows([1, 2]);
    expect(read).toBe(WINDOWS.length);
    expect(await rows([2])).toBe(all);
    expect(read).toBe(WINDOWS.length);
    expect(await rows([0, 1])).toBe(all);
    expect(read).toBe(2 * WINDOWS.length);
  });

  it('reads less, and says so, when a layer does not fit the cache', async () => {
    const notices: string[] = [];
    const { passes, samples } = await collect({
      cacheBytes: 30_000,
      tokens: 240,
      onNotice: (notice) => notices.push(notice),
    });
    expect(passes).toHaveLength(3);
    expect(passes[0]?.tokens).toBeLessThan(240);
    const rows = await readSamples(samples.of(0, OWN).train);
    expect(rows.length).toBeGreaterThan(10);
    expect(rows.length).toBeLessThan(200);
  });

  it('keeps the budget of tokens, and text of its own to hold out', async () => {
    const { samples } = await collect({ tokens: 80, heldOutWindows: () => tinyWindows(4, 7) });
    expect(await readSamples(samples.of(0, OWN).train)).toHaveLength(70);
    expect(await readSamples(samples.of(0, OWN).heldOut)).toHaveLength(10);
  });

  it('refuses too little text', async () => {
    const corpora = [{ name: 'a.txt', sha256: '0'.repeat(64), tokens: 1 }];
    const few = collect({ corpora }, {}, undefined, tinyWindows(7));
    await expect(few).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      message: expect.stringMatching(/^a.txt gives 7 windows, too few to hold any out/),
    });
    await expect(collect({ windows: () => [] })).rejects.toThrow(/holds no tokens to train on/);
  });

  it('refuses states that are not finite, and says where', async () => {
    const spoilt = collect(
      {},
      {
        spoil: ({ stream, layer, values }) => {
          if (stream === 'ffn-input' && layer === 1) values[64 * 3 + 5] = Number.NaN;
        },
      },
    );
    await expect(spoilt).rejects.toMatchObject({
      code: 'MODEL_CORRUPT',
      message: expect.stringMatching(/layer 1: the hidden state of token 3 of document 0/),
    });
  });

  it('keeps at the largest half float what is larger', async () => {
    const { samples } = await collect(
      {},
      {
        spoil: ({ stream, values }) => {
          if (stream === 'ffn-input') values[0] = 1e9;
        },
      },
    );
    const [row] = await readSamples(samples.of(0, OWN).train);
    expect(row?.x[0]).toBe(fromHalf(0x7bff));
  });

  it('leaves complete files only', async () => {
    const { path } = await collect();
    const names = readdirSync(path, { recursive: true }).map(String);
    expect(names.filter((name) => name.includes('.tmp'))).toEqual([]);
    expect(
      existsSync(join(path, 'samples/first/same-layer/held-out/layer-2/000000.safetensors')),
    ).toBe(true);
  });
});

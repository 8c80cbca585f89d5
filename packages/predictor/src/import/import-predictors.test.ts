import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type LowRankPredictor,
  type ModelInfo,
  openArtifact,
  type PredictorSet,
  type PredictorType,
  readPredictorSet,
  writePredictorSet,
} from '@thermocline/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FfnNorm } from './absorb-norm.js';
import { importPredictors, nextBelow } from './import-predictors.js';
import { toFloats } from './source-matrix.js';

// Written by fixtures/make_powerinfer_predictors.py.
const FIXTURES = join(import.meta.dirname, '..', '..', 'fixtures', 'powerinfer');
const [LAYERS, WIDTH, NEURONS] = [12, 32, 48];
const EPSILON = 1e-5;

const root = mkdtempSync(join(tmpdir(), 'thermocline-predictors-'));
let folders = 0;
function folder(): string {
  const path = join(root, String(folders++));
  mkdirSync(path);
  return path;
}
afterAll(() => rmSync(root, { recursive: true }));

const model: ModelInfo = {
  arch: 'llama',
  layers: LAYERS,
  d_model: WIDTH,
  n_ff: Array.from({ length: LAYERS }, () => NEURONS),
  experts: 1,
  heads: 1,
  kv_heads: 1,
  head_dim: WIDTH,
  vocab: 16,
  tied: false,
  gated: true,
  activation: 'relu',
  context: 64,
  weight_types: {},
};

interface LayerReference {
  states: Float32Array;
  norm: Float32Array;
  decided: Record<string, Uint8Array>;
}
const reference: LayerReference[] = [];
let norms: FfnNorm[] = [];
beforeAll(async () => {
  await using file = await openArtifact(join(FIXTURES, 'reference.safetensors'));
  for (let layer = 0; layer < LAYERS; layer++) {
    const read = (name: string) => file.read(`layers.${layer}.${name}`, 'F32');
    const decided: Record<string, Uint8Array> = {};
    for (const name of ['decided', 'decided_half', 'decided_blocks']) {
      decided[name] = await file.read(`layers.${layer}.${name}`, 'U8');
    }
    reference.push({ states: await read('states'), norm: await read('norm'), decided });
  }
  norms = reference.map(({ norm }) => ({ kind: 'rms', weight: norm }));
});

const options = () => ({ model, fingerprint: 'fp', norms });
/** A folder of the twelve .pt files, to change. */
function copies(): string {
  const path = folder();
  for (let layer = 0; layer < LAYERS; layer++) {
    cpSync(join(FIXTURES, `model_${layer}.pt`), join(path, `model_${layer}.pt`));
  }
  return path;
}

function lowRank(set: PredictorSet, layer: number): LowRankPredictor {
  const predictor = set.layers[layer];
  if (predictor?.kind !== 'trained') throw new Error('imported predictors are networks');
  return predictor;
}

/** What a predictor decides on states after the norm: as an engine does, in F32 sums. */
function decide(predictor: LowRankPredictor, x: Float32Array): Uint8Array {
  const [down, up] = [toFloats(predictor.down), toFloats(predictor.up)];
  const rank = predictor.down.rows;
  const threshold = predictor.threshold[0] as number;
  const decisions: number[] = [];
  for (let at = 0; at < x.length; at += WIDTH) {
    const hidden = Array.from({ length: rank }, (_, row) =>
      Math.max(0, dot(down.subarray(row * WIDTH, (row + 1) * WIDTH), x.subarray(at, at + WIDTH))),
    );
    for (let neuron = 0; neuron < NEURONS; neuron++) {
      const score = dot(up.subarray(neuron * rank, (neuron + 1) * rank), hidden);
      decisions.push(score > threshold ? 1 : 0);
    }
  }
  return Uint8Array.from(decisions);
}

function dot(a: Float32Array, b: ArrayLike<number>): number {
  return a.reduce((sum, value, i) => Math.fround(sum + value * (b[i] as number)), 0);
}

/** RMSNorm of each state, as the model computes it. */
function normed({ states, norm }: LayerReference): Float32Array {
  const x = new Float32Array(states.length);
  for (let at = 0; at < states.length; at += WIDTH) {
    const state = states.subarray(at, at + WIDTH);
    const rms = Math.sqrt(state.reduce((sum, value) => sum + value * value, 0) / WIDTH + EPSILON);
    for (let i = 0; i < WIDTH; i++) x[at + i] = ((state[i] as number) / rms) * (norm[i] as number);
  }
  return x;
}

describe('importPredictors', () => {
  it.each([
    ['state dictionaries', '.', 'decided', 'F32'],
    ["PowerInfer's own file of F16", 'half.powerinfer.gguf', 'decided_half', 'F16'],
    ['a GGUF file of Q8_0 and Q4_0', 'blocks.gguf', 'decided_blocks', 'Q4_0'],
  ])('decides on states after the norm as torch before it: %s', async (_, path, name, type) => {
    const set = await importPredictors([join(FIXTURES, path)], options());
    expect(set.layers).toHaveLength(LAYERS);
    for (const [layer, known] of reference.entries()) {
      const predictor = lowRank(set, layer);
      expect([predictor.down.type, predictor.up.type]).toEqual(['F32', type]);
      expect(decide(predictor, normed(known))).toEqual(known.decided[name]);
    }
  });

  it('would be wrong if it left the norm out', async () => {
    const set = await importPredictors([FIXTURES], { ...options(), reads: 'ffn-input' });
    const [known] = reference as [LayerReference];
    expect(decide(lowRank(set, 0), known.states)).toEqual(known.decided['decided']);
    expect(decide(lowRank(set, 0), normed(known))).not.toEqual(known.decided['decided']);
  });

  it('writes a set that is read again', async () => {
    const set = await importPredictors([join(FIXTURES, 'half.powerinfer.gguf')], options());
    const path = join(folder(), 'set.safetensors');
    await writePredictorSet(path, set);
    expect(await readPredictorSet(path, { fingerprint: 'fp' })).toEqual(set);
    expect(set.madeBy?.options).toMatchObject({
      imported: [{ name: 'half.powerinfer.gguf', bytes: expect.any(Number) as number }],
      threshold: 0,
      exact: true,
    });
  });

  it.each<[PredictorType, number]>([
    ['F16', 8],
    ['BF16', 8],
    ['I8', 8],
    ['Q8_0', 32],
    ['Q4_0', 32],
  ])('rounds to %s when asked to, with zeros up to whole blocks', async (type, rank) => {
    const exact = await importPredictors([FIXTURES], options());
    const set = await importPredictors([FIXTURES], { ...options(), type });
    await writePredictorSet(join(folder(), 'set.safetensors'), set);
    const { down, up } = lowRank(set, 0);
    expect([down.type, up.type, down.rows, up.columns]).toEqual([type, type, rank, rank]);
    const bound = { F16: 0.001, BF16: 0.01, I8: 0.01, Q8_0: 0.01, Q4_0: 0.15 }[type as 'F16'];
    const whole = toFloats(lowRank(exact, 0).up);
    const rounded = toFloats(up);
    const largest = Math.max(...whole.map(Math.abs));
    for (const [i, value] of rounded.entries()) {
      const [row, column] = [Math.floor(i / rank), i % rank];
      const was = column < 8 ? (whole[row * 8 + column] as number) : 0;
      expect(Math.abs(value - was)).toBeLessThanOrEqual(bound * largest);
    }
  });

  it('keeps the bits of files where nothing has to change', async () => {
    const blocks = await importPredictors([join(FIXTURES, 'blocks.gguf')], {
      ...options(),
      norms: norms.map(() => ({ kind: 'rms', weight: new Float32Array(WIDTH).fill(1) })),
    });
    expect([lowRank(blocks, 3).down.type, lowRank(blocks, 3).up.type]).toEqual(['Q8_0', 'Q4_0']);
  });

  describe('the threshold', () => {
    const ones = () => [{ kind: 'rms' as const, weight: new Float32Array(WIDTH).fill(1) }];
    const single = { ...model, layers: 1, n_ff: [NEURONS] };

    it('of 0 is what the files say or nothing; a score of exactly 0 is predicted', async () => {
      const { layers } = await importPredictors([FIXTURES], options());
      expect(layers[0]).toMatchObject({ threshold: Float32Array.of(-1.401298464324817e-45) });
    });

    it('of a GGUF file counts, and only approximately behind a norm', async () => {
      const path = join(FIXTURES, 'threshold.gguf');
      const base = { model: single, fingerprint: 'fp' };
      const read = await importPredictors([path], { ...base, reads: 'ffn-input' });
      expect(read.layers[0]).toMatchObject({ threshold: Float32Array.of(nextBelow(0.25)) });
      await expect(importPredictors([path], { ...base, norms: ones() })).rejects.toThrow(
        /scores are compared with 0\.25.*--approximate/,
      );
      const notices: string[] = [];
      const set = await importPredictors([path], {
        ...base,
        norms: ones(),
        approximate: true,
        onNotice: (notice) => notices.push(notice),
      });
      expect(notices).toEqual([expect.stringMatching(/Not as the original: scores/)]);
      expect(set.madeBy?.options).toMatchObject({ exact: false, threshold: 0.25 });
      const zero = await importPredictors([path], { ...base, norms: ones(), threshold: 0 });
      expect(zero.madeBy?.options).toMatchObject({ exact: true, threshold: 0 });
    });

    it('of a folder is in its config.json', async () => {
      const path = copies();
      const read = { ...options(), reads: 'ffn-input' as const };
      writeFileSync(join(path, 'config.json'), '{"sparse_threshold": -0.5}');
      const set = await importPredictors([path], read);
      expect(set.madeBy?.options).toMatchObject({ threshold: -0.5 });
      writeFileSync(join(path, 'config.json'), '{"architectures": []}');
      expect((await importPredictors([path], read)).madeBy?.options).toMatchObject({
        threshold: 0,
      });
      for (const [text, message] of [
        ['{', /is no JSON/],
        ['{"sparse_threshold": "0"}', /is no number/],
      ] as const) {
        writeFileSync(join(path, 'config.json'), text);
        await expect(importPredictors([path], read)).rejects.toThrow(message);
      }
    });

    it.each([0, -0, 1, -1, 0.25, 1e-45, -3e38])('is just below %s', (value) => {
      const exact = Math.fround(value);
      const below = nextBelow(exact);
      expect(below).toBeLessThan(exact);
      // Nothing lies between.
      expect([below, exact].map((x) => Object.is(x, Math.fround(x)))).toEqual([true, true]);
      const middle = Math.fround((below + exact) / 2);
      expect(middle === below || middle === exact).toBe(true);
    });
  });

  describe('refuses', () => {
    it('what cannot be exact, unless asked', async () => {
      const layerNorms = norms.map(({ weight }) => ({ kind: 'layer' as const, weight }));
      const layer = { ...options(), norms: layerNorms };
      await expect(importPredictors([FIXTURES], layer)).rejects.toThrow(/a LayerNorm.*the mean/);
      const dead = norms.map(({ weight }) => ({ kind: 'rms' as const, weight: weight.slice() }));
      (dead[5] as FfnNorm).weight[7] = 0;
      const zero = { ...options(), norms: dead };
      await expect(importPredictors([FIXTURES], zero)).rejects.toThrow(/sets 1 of 32 values to 0/);
      const set = await importPredictors([FIXTURES], { ...zero, approximate: true });
      await writePredictorSet(join(folder(), 'set.safetensors'), set);
      expect(set.madeBy?.options).toMatchObject({ exact: false });
    });

    it('norms that are missing or another model’s', async () => {
      const base = { model, fingerprint: 'fp' };
      await expect(importPredictors([FIXTURES], base)).rejects.toThrow(/norms are needed/);
      const few = { ...base, norms: norms.slice(1) };
      await expect(importPredictors([FIXTURES], few)).rejects.toThrow(/11 layers.*12/);
      const short = {
        ...base,
        norms: norms.map(() => ({ ...norms[0], weight: new Float32Array(3) })),
      };
      await expect(importPredictors([FIXTURES], short as never)).rejects.toThrow(/of layer 0/);
    });

    it.each<[string, Partial<ModelInfo>, RegExp]>([
      [
        'more layers',
        { layers: 13, n_ff: Array(13).fill(48) as number[] },
        /layers 0 to 12.*no layer 12/,
      ],
      [
        'fewer layers',
        { layers: 11, n_ff: Array(11).fill(48) as number[] },
        /layers 0 to 10.*layer 11/,
      ],
      ['other neurons', { n_ff: Array(12).fill(64) as number[] }, /64 neurons in layer 0.*48 × 8/],
      ['another width', { d_model: 16 }, /hidden state of 16 values/],
    ])('a model with %s', async (_, change, message) => {
      const other = { ...options(), model: { ...model, ...change }, reads: 'ffn-input' as const };
      for (const path of [FIXTURES, join(FIXTURES, 'half.powerinfer.gguf')]) {
        await expect(importPredictors([path], other)).rejects.toThrow(message);
        await expect(importPredictors([path], other)).rejects.toMatchObject({
          code: 'ARTIFACT_MODEL_MISMATCH',
        });
      }
    });

    it('folders and files of other things', async () => {
      const empty = folder();
      await expect(importPredictors([empty], options())).rejects.toThrow(/no \.pt files/);
      await expect(importPredictors([], options())).rejects.toThrow(/names nothing/);
      await expect(importPredictors([join(empty, 'none')], options())).rejects.toMatchObject({
        code: 'FILE_NOT_FOUND',
      });
      const mixed = [join(FIXTURES, 'model_0.pt'), join(FIXTURES, 'blocks.gguf')];
      await expect(importPredictors(mixed, options())).rejects.toThrow(/are mixed/);
      const gap = copies();
      renameSync(join(gap, 'model_7.pt'), join(gap, 'model_70.pt'));
      await expect(importPredictors([gap], options())).rejects.toThrow(/layer 70/);
    });

    it('files of nothing but other tensors', async () => {
      const path = copies();
      const other = join(import.meta.dirname, '..', '..', '..', 'tensor-files', 'fixtures');
      cpSync(join(other, 'int64.pt'), join(path, 'model_3.pt'));
      await expect(importPredictors([path], options())).rejects.toThrow(/no dictionary of tensors/);
      cpSync(join(other, 'state-dict.pt'), join(path, 'model_3.pt'));
      await expect(importPredictors([path], options())).rejects.toThrow(/3 × 4/);
    });

    it('an import that is aborted', async () => {
      const signal = AbortSignal.abort();
      await expect(importPredictors([FIXTURES], { ...options(), signal })).rejects.toMatchObject({
        code: 'ABORTED',
      });
    });

    it('with a typed error, whatever is damaged', async () => {
      const file = join(FIXTURES, 'threshold.gguf');
      const sound = readFileSync(file);
      const path = join(folder(), 'damaged.gguf');
      const base = { model: { ...model, layers: 1, n_ff: [NEURONS] }, fingerprint: 'fp' };
      const change = fc.array(fc.tuple(fc.nat(sound.length - 1), fc.nat(255)), {
        minLength: 1,
        maxLength: 4,
      });
      await fc.assert(
        fc.asyncProperty(change, async (list) => {
          const bytes = Buffer.from(sound);
          for (const [at, value] of list) bytes[at % 3 === 0 ? at % 320 : at] = value;
          writeFileSync(path, bytes);
          try {
            await importPredictors([path], { ...base, reads: 'ffn-input' });
          } catch (error) {
            expect(error).toMatchObject({ name: 'PipelineError' });
          }
        }),
        { numRuns: 300 },
      );
      expect(existsSync(path)).toBe(true);
    });
  });
});

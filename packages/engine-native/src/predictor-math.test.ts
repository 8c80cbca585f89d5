import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type FirstMatrix,
  type FitOptions,
  isPipelineError,
  type LowRankPredictor,
  type SampleSet,
  type ScoreCurve,
} from '@thermocline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { NativeEngine, NativePredictorMath } from './index.js';
import { openEngine, openPredictorMath } from './index.js';
import {
  downNorms,
  type LayerRows,
  rowsOf,
  watchLayer,
  writeSamples,
} from './testing/layer-samples.js';
import { DEMO_MODEL, SMALL_MODEL, TEXT } from './testing/models.js';

const LAYER = 1;
const TRAIN = 4096;
const HELD_OUT = 512;

let folder: string;
let engine: NativeEngine;
let math: NativePredictorMath;
let rows: LayerRows;
let first: FirstMatrix;
let train: SampleSet;
let heldOut: SampleSet;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'thermocline-math-'));
  engine = await openEngine(DEMO_MODEL);
  math = await openPredictorMath();
  const tokens = (await engine.tokenize(readFileSync(TEXT, 'utf8'))).subarray(0, TRAIN + HELD_OUT);
  rows = await watchLayer(engine, LAYER, tokens);
  first = await engine.readFirstMatrix(LAYER);
  const norms = (await downNorms(engine, tokens.subarray(0, 512)))[LAYER] as Float32Array;
  const write = (part: LayerRows) => writeSamples(engine, LAYER, norms, part, folder);
  train = await write(rowsOf(rows, 0, TRAIN));
  heldOut = await write(rowsOf(rows, TRAIN, rows.rows));
}, 60_000);

afterAll(async () => {
  await math.close();
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

const fit = (options: FitOptions) => math.fit(train, heldOut, { first, ...options });

/** Value recall where as many neurons are predicted as `times` those that fire. */
function recallAt(curve: ScoreCurve, times: number): number {
  const point = curve.predicted.findIndex((predicted) => predicted <= times * curve.firing);
  return (curve.hitValue[point] as number) / curve.firingValue;
}

describe('readFirstMatrix', () => {
  it('gives the gate that decides what fires', () => {
    const { d_model, n_ff } = engine.model;
    const neurons = n_ff[LAYER] as number;
    expect(first.weights).toHaveLength(neurons * d_model);
    expect(first.bias).toBeUndefined();
    let disagreeing = 0;
    for (let row = 0; row < 20; row++) {
      for (let n = 0; n < neurons; n++) {
        let gate = 0;
        for (let c = 0; c < d_model; c++) {
          gate +=
            (rows.x[row * d_model + c] as number) * (first.weights[n * d_model + c] as number);
        }
        if (gate > 0 !== (rows.h[row * neurons + n] !== 0)) disagreeing++;
      }
    }
    // Where the gate is as good as zero, or up is.
    expect(disagreeing).toBeLessThan(4);
  });

  it('gives up and its bias where there is no gate', async () => {
    await using opt = await openEngine(SMALL_MODEL);
    const { weights, bias } = await opt.readFirstMatrix(0);
    expect(weights).toHaveLength((opt.model.n_ff[0] as number) * opt.model.d_model);
    expect(bias).toHaveLength(opt.model.n_ff[0] as number);
  });

  it('refuses layers that are not there, and a signal that has fired', async () => {
    const layers = engine.model.layers;
    await expect(engine.readFirstMatrix(layers)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const signal = AbortSignal.abort();
    await expect(engine.readFirstMatrix(0, { signal })).rejects.toMatchObject({ code: 'ABORTED' });
  });
});

describe('factorised', () => {
  it('finds more the higher its rank', async () => {
    const recalls: number[] = [];
    for (const rank of [32, 96, 256]) {
      const { predictor } = await fit({ kind: 'factorised', rank });
      expect(predictor).toMatchObject({ kind: 'factorised', down: { type: 'Q8_0', rows: rank } });
      recalls.push(recallAt(await math.score(heldOut, predictor), 1.4));
    }
    expect(recalls[0]).toBeGreaterThan(0.6);
    expect(recalls[1]).toBeGreaterThan((recalls[0] as number) + 0.03);
    expect(recalls[2]).toBeGreaterThan((recalls[1] as number) + 0.01);
    expect(recalls[2]).toBeGreaterThan(0.99);
  });

  it('has the signs of the gate at full rank', async () => {
    const rank = engine.model.d_model;
    const { predictor } = await fit({ kind: 'factorised', rank, type: 'F32' });
    const { down, up } = predictor as LowRankPredictor;
    const product = multiply(up.values as Float32Array, down.values as Float32Array, rank);
    for (let n = 0; n < up.rows; n += 37) {
      const [own, exact] = [product, first.weights].map((m) =>
        m.subarray(n * rank, (n + 1) * rank),
      );
      expect(cosine(own as Float32Array, exact as Float32Array)).toBeGreaterThan(0.9999);
    }
  });

  it('gives the same bits for any number of threads', async () => {
    await using alone = await openPredictorMath({ threads: 1 });
    const options = { kind: 'factorised', rank: 64, first, type: 'Q4_0' } as const;
    const a = await alone.fit(train, heldOut, options);
    const b = await fit(options);
    expect(a).toEqual(b);
    expect(await alone.score(heldOut, a.predictor)).toEqual(await math.score(heldOut, b.predictor));
  });
});

describe('signs and gate', () => {
  it('counts agreeing signs, better than chance', async () => {
    const { predictor } = await fit({ kind: 'signs' });
    expect(predictor).toMatchObject({ kind: 'signs' });
    const curve = await math.score(heldOut, predictor);
    const share = curve.firing / (curve.tokens * (engine.model.n_ff[LAYER] as number));
    expect(recallAt(curve, 2)).toBeGreaterThan(3 * share);
  });

  it('finds everything with the gate itself', async () => {
    const options = { first, activation: engine.model.activation };
    const { predictor, scales } = await fit({ kind: 'gate', ...options });
    expect(predictor).toMatchObject({ kind: 'gate', threshold: new Float32Array(1) });
    expect(scales).toHaveLength(engine.model.n_ff[LAYER] as number);
    const curve = await math.score(heldOut, predictor, options);
    // Half-precision states move gates that are close to zero.
    expect(recallAt(curve, 1.01)).toBeGreaterThan(0.9999);
    const scaled = await math.score(heldOut, predictor, {
      ...options,
      scales: scales as Float32Array,
    });
    // With the value in the score, half the neurons keep more of the value.
    expect(recallAt(scaled, 0.5)).toBeGreaterThan(recallAt(curve, 0.5));
  });
});

describe('arrays that threads share', () => {
  it('are read like others', async () => {
    const norms = new Float32Array(new SharedArrayBuffer(heldOut.norms.byteLength));
    norms.set(heldOut.norms);
    const { predictor } = await fit({ kind: 'signs' });
    const curve = await math.score({ ...heldOut, norms }, predictor);
    expect(curve).toEqual(await math.score(heldOut, predictor));
  });
});

describe('trained', () => {
  it('beats the factorisation it starts from', async () => {
    const heard: [number, number | null][] = [];
    const { predictor, history } = await fit({
      kind: 'trained',
      rank: 64,
      epochs: 4,
      onProgress: (fraction, loss) => heard.push([fraction, loss]),
    });
    expect(predictor).toMatchObject({ kind: 'trained', down: { rows: 64 } });
    expect(history?.heldOutLoss.length).toBeGreaterThan(0);
    expect(heard.length).toBeGreaterThan(0);
    const start = await fit({ kind: 'factorised', rank: 64 });
    const [trained, factorised] = await Promise.all(
      [predictor, start.predictor].map((one) => math.score(heldOut, one)),
    );
    expect(recallAt(trained as ScoreCurve, 1.4)).toBeGreaterThan(
      recallAt(factorised as ScoreCurve, 1.4),
    );
  });

  it('learns without the weights, and the same for the same seed', async () => {
    const options = { kind: 'trained', rank: 32, epochs: 1, seed: 5 } as const;
    const a = await math.fit(train, heldOut, options);
    const b = await math.fit(train, heldOut, options);
    const c = await math.fit(train, heldOut, { ...options, seed: 6 });
    expect(a).toEqual(b);
    expect(a).not.toEqual(c);
  });
});

describe('what cannot be done', () => {
  it('is refused with the argument named', async () => {
    const none = { kind: 'factorised', rank: 64 } as const;
    await expect(math.fit(train, heldOut, none)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('weights') as string,
    });
    for (const rank of [0, 33, 4096]) {
      await expect(fit({ kind: 'factorised', rank })).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
      });
    }
    const { predictor } = await fit({ kind: 'gate' });
    await expect(math.score(heldOut, predictor)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(math.score(heldOut, { kind: 'none' })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    const norms = new Float32Array(3);
    await expect(math.score({ ...heldOut, norms }, predictor, { first })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
    await expect(fit({ kind: 'gate', activation: 'step' })).rejects.toMatchObject({
      code: 'MODEL_UNSUPPORTED',
    });
  });

  it('names the file that is damaged', async () => {
    const path = join(folder, 'cut.safetensors');
    const bytes = readFileSync(train.files[0] as string);
    writeFileSync(path, bytes.subarray(0, bytes.length - 5));
    const error = await math
      .fit({ ...train, files: [path] }, heldOut, { kind: 'signs', first })
      .catch((thrown: unknown) => thrown);
    expect(isPipelineError(error, 'ARTIFACT_CORRUPT')).toBe(true);
    expect((error as Error).message).toContain(path);
  });

  it('stops when asked to', async () => {
    const controller = new AbortController();
    const fitting = fit({
      kind: 'trained',
      rank: 128,
      epochs: 1000,
      signal: controller.signal,
      onProgress: () => controller.abort(),
    });
    await expect(fitting).rejects.toMatchObject({ code: 'ABORTED' });
    // The threads are free again.
    await expect(fit({ kind: 'signs' })).resolves.toMatchObject({ predictor: { kind: 'signs' } });
  });

  it('lets go of a call that waits for another', async () => {
    const [running, waiting] = [new AbortController(), new AbortController()];
    const { promise: begun, resolve: onProgress } = withResolvers();
    const long = { kind: 'trained', rank: 128, epochs: 1000, onProgress } as const;
    const busy = fit({ ...long, signal: running.signal });
    await begun;
    const queued = fit({ kind: 'signs', signal: waiting.signal });
    waiting.abort();
    await expect(queued).rejects.toMatchObject({ code: 'ABORTED' });
    running.abort();
    await expect(busy).rejects.toMatchObject({ code: 'ABORTED' });
  });

  it('refuses to work when closed', async () => {
    const closed = await openPredictorMath();
    await closed.close();
    await closed.close();
    await expect(closed.score(heldOut, { kind: 'none' })).rejects.toMatchObject({ code: 'CLOSED' });
    await expect(openPredictorMath({ threads: 0 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  });
});

function withResolvers(): { promise: Promise<void>; resolve: () => void } {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}

function multiply(up: Float32Array, down: Float32Array, rank: number): Float32Array {
  const [rows, columns] = [up.length / rank, down.length / rank];
  const product = new Float32Array(rows * columns);
  for (let n = 0; n < rows; n += 37) {
    for (let c = 0; c < columns; c++) {
      let sum = 0;
      for (let r = 0; r < rank; r++) {
        sum += (up[n * rank + r] as number) * (down[r * columns + c] as number);
      }
      product[n * columns + c] = sum;
    }
  }
  return product;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (u: Float32Array, v: Float32Array) =>
    u.reduce((sum, value, i) => sum + value * (v[i] as number), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

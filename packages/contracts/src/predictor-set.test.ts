import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LowRankPredictor } from './predictor-layer.js';
import type { PredictorMatrix } from './predictor-matrix.js';
import { type PredictorSet, readPredictorSet, writePredictorSet } from './predictor-set.js';
import { artifactSuite } from './testing/artifact-suite.js';
import { predictorCodec } from './testing/codecs.js';
import { type ArtifactParts, rewrite } from './testing/edit-artifact.js';
import { samplePredictors } from './testing/sample-artifacts.js';

artifactSuite('predictor set', predictorCodec);

describe('predictor set', () => {
  let folder: string;
  let path: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'thermocline-predictors-'));
    path = join(folder, 'predictors');
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each<[string, (set: PredictorSet) => void]>([
    ['layers', (set) => set.layers.pop()],
    ['first layer', (set) => Object.assign(layer(set, 0), { reads: 'previous-layer' })],
    ['of 32 values', (set) => Object.assign(layer(set, 0).down, { columns: 15 })],
    ['of 8 neurons', (set) => Object.assign(layer(set, 0).up, { rows: 9 })],
    ['up takes', (set) => Object.assign(layer(set, 0).up, { columns: 5 })],
    ['32 columns at a time', (set) => Object.assign(layer(set, 4), odd(layer(set, 4)))],
    ['3 scales of 32', (set) => Object.assign(layer(set, 4).down, { scale: new Uint16Array(3) })],
    ['a scale of down is not', (set) => scaleOf(set, 11).fill(0x7c00)],
    ['of Q4_0', (set) => Object.assign(layer(set, 11).up, { values: new Uint8Array(3) })],
    ['signs are not', (set) => Object.assign(layer(set, 6), { signs: new Uint8Array(3) })],
    ['reads its own', (set) => Object.assign(layer(set, 7), { reads: 'previous-layer' })],
    ['points × 4', (set) => Object.assign(layer(set, 0), { calibration: new Float32Array(6) })],
    ['does not ascend', (set) => layer(set, 0).calibration?.fill(0.5)],
    ['differ in recall', (set) => layer(set, 3).calibration?.fill(0.5, 0, 1)],
    ['perplexity', (set) => Object.assign(set.measured?.[0] as object, { perplexity: 0 })],
    ['not finite', (set) => layer(set, 0).down.values.fill(Number.NaN, 0, 1)],
    ['not finite', (set) => layer(set, 1).up.values.fill(0x7c00, 3, 4)],
    ['not finite', (set) => layer(set, 2).up.values.fill(0xff80, 3, 4)],
    ['not finite', (set) => scaleOf(set, 3).fill(Number.POSITIVE_INFINITY)],
    ['no scales', (set) => Reflect.deleteProperty(layer(set, 3).down, 'scale')],
    ['has no scale', (set) => Object.assign(layer(set, 0).down, { scale: new Float32Array(4) })],
    ['3 scales of', (set) => Object.assign(layer(set, 3).down, { scale: new Float32Array(3) })],
    ['thresholds', (set) => Object.assign(layer(set, 7), { threshold: new Float32Array(2) })],
    ['threshold is not', (set) => layer(set, 7).threshold.fill(Number.NaN)],
    ['recallCount', (set) => Object.assign(layer(set, 0).heldOut as object, { recallCount: 1.5 })],
  ])('does not write nonsense: %s', async (words, spoil) => {
    const set = samplePredictors();
    spoil(set);
    await expect(writePredictorSet(path, set)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { reason: expect.stringContaining(words) },
    });
  });

  it('names hashes by their first digits, and keeps them whole for programs', async () => {
    const [found, expected] = ['a'.repeat(64), 'b'.repeat(64)];
    await writePredictorSet(path, { ...samplePredictors(), fingerprint: found });
    const reading = readPredictorSet(path, { fingerprint: expected });
    await expect(reading).rejects.toMatchObject({
      code: 'ARTIFACT_MODEL_MISMATCH',
      message: expect.stringContaining('is "aaaaaaaaaaaa…", not "bbbbbbbbbbbb…".'),
      details: { found, expected },
    });
  });

  const tensor = ({ tensors }: ArtifactParts, name: string) =>
    tensors.find((candidate) => candidate.name === name) as ArtifactParts['tensors'][number];

  it.each<[string, (parts: ArtifactParts) => void]>([
    ['predictors', ({ metadata }) => metadata.delete('predictors')],
    ['must describe 12', ({ metadata }) => metadata.set('predictors', '[]')],
    ['threshold" is missing', (parts) => rename(tensor(parts, 'layers.4.threshold'))],
    ['down_scale" is missing', (parts) => rename(tensor(parts, 'layers.3.down_scale'))],
    ['not a matrix', (parts) => Object.assign(tensor(parts, 'layers.3.down'), { shape: [1024] })],
    [
      'weights cannot have',
      (parts) => Object.assign(tensor(parts, 'layers.1.up'), { type: 'U16' }),
    ],
  ])('does not read nonsense: %s', async (words, spoil) => {
    await writePredictorSet(path, samplePredictors());
    await rewrite(path, spoil);
    await expect(readPredictorSet(path)).rejects.toMatchObject({
      code: 'ARTIFACT_CORRUPT',
      details: { path, reason: expect.stringContaining(words) },
    });
  });

  it('tells a layer without a predictor from one whose predictor is lost', async () => {
    await writePredictorSet(path, samplePredictors());
    expect((await readPredictorSet(path)).layers[5]).toEqual({ kind: 'none' });
    await rewrite(path, (parts) => rename(tensor(parts, 'layers.8.up')));
    await expect(readPredictorSet(path)).rejects.toMatchObject({ code: 'ARTIFACT_CORRUPT' });
  });
});

function layer(set: PredictorSet, index: number): LowRankPredictor {
  return set.layers[index] as LowRankPredictor;
}

/** The same with a rank that blocks of 32 do not divide. */
function odd({ down, up }: LowRankPredictor) {
  const sized = { values: new Int8Array(40 * down.columns), scale: new Uint16Array(40) };
  return { down: { ...down, ...sized, rows: 40 }, up: { ...up, columns: 40 } };
}

function scaleOf(set: PredictorSet, index: number): Float32Array | Uint16Array {
  return (layer(set, index).down as Extract<PredictorMatrix, { scale: unknown }>).scale;
}

function rename(tensor: ArtifactParts['tensors'][number]): void {
  tensor.name = 'renamed';
}

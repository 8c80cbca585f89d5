import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type ActivationProfile,
  type LayerPredictor,
  modelParameters,
  type PredictionAudit,
  type PredictorSet,
  predictorWeights,
  readPredictorSet,
  writeActivationProfile,
  writePredictorSet,
} from '@thermocline/contracts';
import { type NativeEngine, openEngine } from '@thermocline/engine-native';
import { moveThresholds } from '@thermocline/predictor';
import { beforeAll, describe, expect, test } from 'vitest';
import { demo, opt, ROOT } from './support/fixtures.js';
import { readNpy } from './support/npy.js';
import { temporaryFolder } from './support/temporary.js';
import { profileTraining, trainOnTexts } from './support/train-predictors.mjs';

const folder = temporaryFolder();
const script = join(ROOT, 'e2e', 'support', 'train-predictors.mjs');
const WINDOW = 512;
const TEST_TOKENS = 4096;
let profile: ActivationProfile;

beforeAll(async () => {
  profile = await profileTraining();
  await writeActivationProfile(join(folder, 'profile'), profile);
}, 120_000);

const predicting = ({ layers }: PredictorSet) =>
  layers.filter((one): one is Exclude<LayerPredictor, { kind: 'none' }> => one.kind !== 'none');

/** Mean negative log-likelihood of held-out text, and what was predicted on the way. */
async function read(engine: NativeEngine, mode: 'dense' | 'predicted') {
  const ids = Int32Array.from(readNpy(demo.slice).values, Number);
  const sums = { nll: 0, firing: 0, predicted: 0, value: 0, found: 0 };
  for (let begin = 0; begin < TEST_TOKENS; begin += WINDOW) {
    await using session = await engine.createSession();
    const audit = mode === 'predicted';
    const tokens = ids.subarray(begin, begin + WINDOW);
    const result = await session.evaluate(tokens, { mode, logits: 'all', audit });
    for (const [i, logits] of result.logits.entries()) {
      sums.nll -= logProbability(logits, ids[begin + i + 1] as number) / TEST_TOKENS;
    }
    if (result.audit) addTo(sums, result.audit);
  }
  return {
    nll: sums.nll,
    recall: sums.found / sums.value,
    overPrediction: sums.predicted / sums.firing,
  };
}

function addTo(sums: Record<string, number>, audit: PredictionAudit): void {
  const add = (key: string, values: readonly number[]) => {
    sums[key] = values.reduce((sum, value) => sum + value, sums[key] as number);
  };
  add('firing', audit.firing);
  add('predicted', audit.predicted);
  add('value', audit.firingValue);
  add('found', audit.hitValue);
}

function logProbability(logits: Float32Array, id: number): number {
  const most = logits.reduce((a, b) => Math.max(a, b));
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return (logits[id] as number) - most - Math.log(sum);
}

test('predictors trained in a minute find the value with few neurons, and lose little', async () => {
  const started = performance.now();
  const set = await trainOnTexts(profile);
  const seconds = (performance.now() - started) / 1000;
  const weights = set.layers.map(predictorWeights).reduce((sum, count) => sum + count, 0);
  const share = weights / modelParameters(set.model);
  expect(share).toBeLessThanOrEqual(0.15);
  expect(predicting(set)).toHaveLength(6);

  await using engine = await openEngine(demo.gguf);
  const dense = await read(engine, 'dense');
  await engine.setPredictors(set);
  const predicted = await read(engine, 'predicted');
  const change = Math.exp(predicted.nll - dense.nll) - 1;
  console.info(
    `trained in ${seconds.toFixed(0)} s, ${(100 * share).toFixed(1)} % of the weights: value recall ${predicted.recall.toFixed(4)} ` +
      `at ${predicted.overPrediction.toFixed(2)} neurons for each that fires, perplexity ${(100 * change).toFixed(2)} %`,
  );
  expect(predicted.recall).toBeGreaterThanOrEqual(0.97);
  expect(predicted.overPrediction).toBeLessThanOrEqual(1.4);
  expect(change).toBeLessThan(0.01);

  // At the recall that is asked for, fewer neurons do.
  await engine.setPredictors(moveThresholds(set, 0.975));
  const moved = await read(engine, 'predicted');
  expect(moved.recall).toBeGreaterThan(0.96);
  expect(moved.recall).toBeLessThan(predicted.recall);
  expect(moved.overPrediction).toBeLessThan(1.25);
}, 300_000);

describe('a run that is killed', () => {
  /** Runs the program; kills it when so many layers are ready, as a power cut would. */
  async function attempt(output: string, checkpoint: string, layers = Number.POSITIVE_INFINITY) {
    const child = spawn(process.execPath, [script, join(folder, 'profile'), output, checkpoint]);
    const seen: string[] = [];
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      seen.push(...text.trim().split('\n'));
      if (seen.length >= layers) setTimeout(() => child.kill('SIGKILL'), Math.random() * 500);
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject).on('close', resolve);
    });
    return { code, seen, stderr };
  }

  test('loses at most one layer, and ends with the same bits', async () => {
    const [output, checkpoint] = [join(folder, 'killed'), join(folder, 'killed.partial')];
    let ready = 0;
    for (const layers of [1, 3, 4]) {
      const { code, seen, stderr } = await attempt(output, checkpoint, layers);
      expect(stderr).toBe('');
      const resumed = seen.filter((line) => line.endsWith('true')).length;
      // Every layer that was told of is there the next time.
      expect(resumed).toBeGreaterThanOrEqual(ready);
      ready = Math.max(ready, seen.length);
      if (code === 0) break;
    }
    expect(ready).toBeGreaterThan(2);
    const final = await attempt(output, checkpoint);
    expect(final).toMatchObject({ code: 0, stderr: '' });
    const whole = join(folder, 'whole');
    expect(await attempt(whole, `${whole}.partial`)).toMatchObject({ code: 0, stderr: '' });
    expect(readFileSync(output).equals(readFileSync(whole))).toBe(true);
    expect(readdirSync(folder).filter((name) => name.includes('.partial'))).toEqual([]);
  }, 300_000);
});

describe('a set, a profile or progress for another model', () => {
  test('is refused', async () => {
    await expect(trainOnTexts(profile, {}, opt.gguf)).rejects.toMatchObject({
      code: 'ARTIFACT_MODEL_MISMATCH',
    });
    const set = await trainOnTexts(profile, { kind: 'signs', tokens: 2048 });
    const path = join(folder, 'signs');
    await writePredictorSet(path, set);
    await using engine = await openEngine(opt.gguf);
    await expect(engine.setPredictors(set)).rejects.toMatchObject({
      code: 'ARTIFACT_MODEL_MISMATCH',
    });
    const { fingerprint } = engine.info;
    await expect(readPredictorSet(path, { fingerprint })).rejects.toMatchObject({
      code: 'ARTIFACT_MODEL_MISMATCH',
    });
    expect(existsSync(path)).toBe(true);
  }, 120_000);
});

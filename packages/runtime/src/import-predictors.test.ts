import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writePredictorSet } from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { inspectModel } from '@thermocline/engine-native';
import { openGguf, readFloats } from '@thermocline/tensor-files';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readFfnNorms } from './ffn-norms.js';
import { importPredictors } from './import-predictors.js';
import { loadModel } from './load-model.js';

const OPT = join(demoModelPath(), '..', '..', 'reference', 'opt', 'Llama-OPT-Stories-1M-f16.gguf');
const SWIGLU = join(
  process.env['THERMOCLINE_TEST_DATA'] ?? join(import.meta.dirname, '../../../../shared/data'),
  'swiglu-model',
);
const folder = mkdtempSync(join(tmpdir(), 'thermocline-import-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A PowerInfer file of matrices, [rows × columns] of F32. */
function writePowerInfer(path: string, matrices: [string, number, number, Float32Array][]) {
  const u64 = (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(BigInt(value));
    return bytes;
  };
  const text = (value: string) => Buffer.concat([u64(value.length), Buffer.from(value)]);
  let offset = 0;
  const infos = matrices.map(([name, rows, columns, values]) => {
    const sizes = [Buffer.from([2, 0, 0, 0]), u64(columns), u64(rows)];
    const info = Buffer.concat([text(name), ...sizes, Buffer.alloc(4), u64(offset)]);
    offset += values.byteLength;
    return info;
  });
  const begin = Buffer.concat([Buffer.from('PWRI'), Buffer.from([3, 0, 0, 0])]);
  const header = Buffer.concat([begin, u64(matrices.length), u64(0), ...infos]);
  const data = matrices.map(([, , , values]) => Buffer.from(values.buffer));
  writeFileSync(
    path,
    Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), ...data]),
  );
}

/**
 * Predictors that read the residual and are never wrong: with fc1 = (I, −I) · diag(w) and
 * fc2 = (gate, −gate), the score is gate · (w ∘ r), whose sign is that of the gate itself.
 */
async function writePerfectPredictors(path: string): Promise<void> {
  const inspection = await inspectModel(demoModelPath());
  const norms = await readFfnNorms(inspection);
  await using model = await openGguf(demoModelPath());
  const matrices: [string, number, number, Float32Array][] = [];
  for (const [layer, { weight }] of norms.entries()) {
    const width = weight.length;
    const gate = await readFloats(await model.array(`blk.${layer}.ffn_gate.weight`));
    const fc1 = new Float32Array(2 * width * width);
    for (const [i, w] of weight.entries()) {
      fc1[i * width + i] = w;
      fc1[(width + i) * width + i] = -w;
    }
    const neurons = gate.length / width;
    const fc2 = new Float32Array(2 * gate.length);
    for (let row = 0; row < neurons; row++) {
      const weights = gate.subarray(row * width, (row + 1) * width);
      fc2.set(weights, 2 * row * width);
      fc2.set(
        weights.map((value) => -value),
        (2 * row + 1) * width,
      );
    }
    matrices.push([`blk.${layer}.fc1.weight`, 2 * width, width, fc1]);
    matrices.push([`blk.${layer}.fc2.weight`, neurons, 2 * width, fc2]);
  }
  writePowerInfer(path, matrices);
}

describe('readFfnNorms', () => {
  it('reads those of a GGUF file', async () => {
    const norms = await readFfnNorms(await inspectModel(demoModelPath()));
    expect(norms.map(({ kind, weight }) => [kind, weight.length])).toEqual(
      Array(6).fill(['rms', 256]),
    );
    expect(norms.every(({ weight }) => weight.every((value) => value > 0))).toBe(true);
  });

  it('tells a LayerNorm by its bias', async () => {
    const norms = await readFfnNorms(await inspectModel(OPT));
    expect(new Set(norms.map(({ kind }) => kind))).toEqual(new Set(['layer']));
  });

  it('reads the same from a Hugging Face folder', async ({ skip }) => {
    const gguf = join(SWIGLU, 'Llama-SwiGLU-Stories-8M-f16.gguf');
    const inspection = await inspectModel(gguf).catch(() => null);
    if (inspection === null) return skip(`${gguf} is not there`);
    const norms = await readFfnNorms(inspection);
    expect(await readFfnNorms(await inspectModel(join(SWIGLU, 'hf')))).toEqual(norms);
  });
});

describe('importPredictors', () => {
  const path = join(folder, 'perfect.powerinfer.gguf');
  beforeAll(() => writePerfectPredictors(path));

  it('gives what predicts in the engine as on the residual', async () => {
    const set = await importPredictors([path]);
    const file = join(folder, 'perfect.safetensors');
    await writePredictorSet(file, set);
    await using model = await loadModel(undefined, { predictors: file });
    const tokens = await model.promptTokens(
      'Once upon a time, there was a little girl named Lily.',
    );
    const run = (mode: 'exact' | 'predicted') =>
      model.withSession((session) =>
        session.evaluate(tokens, { mode, logits: 'all', audit: mode === 'predicted' }),
      );
    const [exact, predicted] = [await run('exact'), await run('predicted')];
    const { audit } = predicted;
    if (!audit) throw new Error('the audit was asked for');
    const sum = (list: readonly number[]) => list.reduce((total, value) => total + value, 0);
    // Only a gate within rounding of 0 may be told otherwise.
    expect(sum(audit.hits) / sum(audit.firing)).toBeGreaterThan(0.9999);
    expect(sum(audit.predicted) / sum(audit.firing)).toBeLessThan(1.0001);
    for (const [i, logits] of exact.logits.entries()) {
      const largest = Math.max(...logits.map(Math.abs));
      const other = predicted.logits[i] as Float32Array;
      const apart = Math.max(...logits.map((value, id) => Math.abs(value - (other[id] as number))));
      expect(apart).toBeLessThan(1e-3 * largest);
    }
  });

  it('refuses predictors of another model, and LayerNorm', async () => {
    await expect(importPredictors([path], OPT)).rejects.toMatchObject({ name: 'PipelineError' });
    await expect(importPredictors([path], OPT)).rejects.toThrow(/LayerNorm|layers|hidden state/);
  });
});

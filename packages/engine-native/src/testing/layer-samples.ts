import { join } from 'node:path';
import { type SampleSet, writeArtifact } from '@thermocline/contracts';
import type { NativeEngine } from '../index.js';

/** What a layer did while some tokens were read. */
export interface LayerRows {
  rows: number;
  /** [rows × d_model] */
  x: Float32Array;
  /** [rows × n_ff] */
  h: Float32Array;
}

/** Reads a text in windows and keeps what a layer saw and did. */
export async function watchLayer(
  engine: NativeEngine,
  layer: number,
  tokens: Int32Array,
  window = 256,
): Promise<LayerRows> {
  const windows = Array.from({ length: Math.ceil(tokens.length / window) }, (_, i) => ({
    tokens: tokens.subarray(i * window, (i + 1) * window),
    document: 0,
    position: i * window,
  }));
  const x: number[] = [];
  const h: number[] = [];
  for await (const batch of engine.observe(windows, {
    layers: [layer],
    streams: ['ffn-input', 'activation'],
  })) {
    const into = batch.stream === 'activation' ? h : x;
    for (const value of batch.values) into.push(value);
  }
  return { rows: tokens.length, x: Float32Array.from(x), h: Float32Array.from(h) };
}

/** Rows [from, to). */
export function rowsOf({ rows, x, h }: LayerRows, from: number, to: number): LayerRows {
  const cut = (array: Float32Array) =>
    array.subarray((array.length / rows) * from, (array.length / rows) * to);
  return { rows: to - from, x: cut(x), h: cut(h) };
}

/** The ‖down column‖ of every neuron: what it contributed over what it summed to. */
export async function downNorms(engine: NativeEngine, tokens: Int32Array): Promise<Float32Array[]> {
  const sums = await engine.sum([{ tokens, document: 0, position: 0 }]);
  return sums.absSum.map((layer, l) =>
    Float32Array.from(layer, (sum, n) => {
      const contribution = sums.contribution?.[l]?.[n] ?? 0;
      return sum > 0 ? contribution / sum : 1;
    }),
  );
}

/** Writes rows as one file of samples. Rows have to be at most 8,192. */
export async function writeSamples(
  engine: NativeEngine,
  layer: number,
  norms: Float32Array,
  { rows, x, h }: LayerRows,
  path: string,
): Promise<SampleSet> {
  const neurons = h.length / rows;
  const maskBytes = Math.ceil(neurons / 8);
  const fires = new Uint8Array(rows * maskBytes);
  const offsets = new BigInt64Array(rows + 1);
  const values: number[] = [];
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < neurons; n++) {
      const value = Math.abs(h[row * neurons + n] as number);
      if (value === 0) continue;
      const byte = row * maskBytes + (n >> 3);
      fires[byte] = (fires[byte] as number) | (1 << (n & 7));
      values.push(value);
    }
    offsets[row + 1] = BigInt(values.length);
  }
  const file = join(path, `${rows}-${layer}.safetensors`);
  const metadata = new Map([
    ['format', 'thermocline.samples'],
    ['format_version', '1'],
    ['fingerprint', engine.fingerprint],
    ['model', JSON.stringify(engine.model)],
    ['layer', String(layer)],
  ]);
  await writeArtifact(file, metadata, [
    { name: 'x', type: 'F16', shape: [rows, x.length / rows], data: toHalf(x) },
    { name: 'fires', type: 'U8', shape: [rows, maskBytes], data: fires },
    { name: 'offsets', type: 'I64', shape: [rows + 1], data: offsets },
    { name: 'values', type: 'F16', shape: [values.length], data: toHalf(values) },
  ]);
  return { files: [file], norms };
}

/** Half floats of numbers within their normal range; smaller ones become zero. */
function toHalf(values: ArrayLike<number>): Uint16Array {
  const floats = Float32Array.from(values);
  const bits = new Uint32Array(floats.buffer);
  return Uint16Array.from(bits, (value) => {
    const sign = (value >>> 16) & 0x8000;
    const magnitude = value & 0x7fffffff;
    if (magnitude < 0x38800000) return sign;
    return sign | ((magnitude - 0x38000000 + 0xfff + ((magnitude >>> 13) & 1)) >>> 13);
  });
}

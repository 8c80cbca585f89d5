// Samples of a layer that never was: what trains on them has the work of a real layer of that
// shape, and something to learn.
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeArtifact } from '@thermocline/contracts';
import { encodeTensor } from '../../e2e/tools/tensor-codec.mjs';

const FACTORS = 12;
const FIRING_ABOVE = 1.3; // standard deviations: about one in ten

/** Uniform in [-1, 1), the same everywhere. @param {number} seed */
function randomNumbers(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/**
 * Writes a file of samples whose neurons fire by the first few numbers of the state.
 *
 * @param {{ dModel: number, nFf: number, rows: number, seed: number }} shape rows: at most 8,192
 * @returns {Promise<string>} its path
 */
export async function writeSyntheticSamples({ dModel, nFf, rows, seed }) {
  const weights = randomNumbers(1);
  const loads = Float64Array.from({ length: nFf * FACTORS }, weights);
  const random = randomNumbers(seed);
  const x = Float32Array.from({ length: rows * dModel }, random);
  const rowBytes = Math.ceil(nFf / 8);
  const fires = new Uint8Array(rows * rowBytes);
  const offsets = new BigInt64Array(rows + 1);
  const values = [];
  const limit = (FIRING_ABOVE * Math.sqrt(FACTORS)) / 3; // each product has variance 1/9
  for (let row = 0; row < rows; row++) {
    for (let n = 0; n < nFf; n++) {
      let sum = -limit;
      for (let f = 0; f < FACTORS; f++) {
        sum += (loads[n * FACTORS + f] ?? 0) * (x[row * dModel + f] ?? 0);
      }
      if (sum <= 0) continue;
      fires[row * rowBytes + (n >> 3)] = (fires[row * rowBytes + (n >> 3)] ?? 0) | (1 << (n & 7));
      values.push(sum);
    }
    offsets[row + 1] = BigInt(values.length);
  }
  const halves = (/** @type {ArrayLike<number>} */ numbers) =>
    new Uint16Array(encodeTensor('F16', numbers).buffer);
  const path = join(mkdtempSync(join(tmpdir(), 'thermocline-samples-')), '000000.safetensors');
  const model = JSON.stringify({ d_model: dModel, n_ff: [nFf] });
  const metadata = new Map([
    ['format', 'thermocline.samples'],
    ['format_version', '1'],
    ['fingerprint', 'synthetic'],
    ['model', model],
    ['layer', '0'],
  ]);
  await writeArtifact(path, metadata, [
    { name: 'x', type: 'F16', shape: [rows, dModel], data: halves(x) },
    { name: 'fires', type: 'U8', shape: [rows, rowBytes], data: fires },
    { name: 'offsets', type: 'I64', shape: [rows + 1], data: offsets },
    { name: 'values', type: 'F16', shape: [values.length], data: halves(values) },
  ]);
  return path;
}

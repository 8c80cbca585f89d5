import { join } from 'node:path';
import type { Mode } from '@thermocline/contracts';
import { inspectModel, type NativeEngine, openEngine } from '@thermocline/engine-native';
import {
  checkRates,
  plantedPredictors,
  type SyntheticModelOptions,
  writeSyntheticModel,
} from '@thermocline/synth';
import { describe, expect, test } from 'vitest';
import { expectClose, expectSameBits } from './support/compare.js';
import { gatePredictors } from './support/predictor-sets.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';

const folder = temporaryFolder();
const PLANTED = { rank: 64, seed: 3 };
const IDS = Array.from({ length: 48 }, (_, i) => (7 + 131 * i) % 1000);
const NONE = new Float32Array();
let files = 0;

async function write(shape: string, options: SyntheticModelOptions): Promise<string> {
  const path = join(folder, `${shape}-${files++}.gguf`);
  await writeSyntheticModel(path, shape, { ...PLANTED, ...options });
  return path;
}

async function evaluate(engine: NativeEngine, mode: Mode, audit = false) {
  await using session = await engine.createSession();
  return await session.evaluate(IDS, { mode, logits: 'all', audit });
}

const sum = (values: readonly number[] = []) => values.reduce((total, value) => total + value, 0);

describe.each(['tiny', 'tiny-drelu', 'tiny-opt'])('%s packed neuron by neuron', (shape) => {
  describe.each(['F16', 'Q8_0', 'Q4_0'] as const)('in %s', (type) => {
    test('has the logits of the usual layout', async () => {
      await using usual = await openEngine(await write(shape, { type }));
      await using packed = await openEngine(await write(shape, { type, layout: 'packed' }));
      const expected = await evaluate(usual, 'dense');
      const { logits } = await evaluate(packed, 'dense');
      expect(logits).toHaveLength(IDS.length);
      for (const [i, row] of logits.entries()) expectClose(row, expected.logits[i] ?? NONE, 1e-4);
    });

    test('has one answer in dense, in exact, by all lists and with any threads', async () => {
      const path = await write(shape, { type, layout: 'packed' });
      let known: Float32Array[] | undefined;
      for (const threads of [1, 2]) {
        await using engine = await openEngine(path, { threads });
        const dense = await evaluate(engine, 'dense');
        const exact = await evaluate(engine, 'exact');
        await engine.setPredictors(gatePredictors(engine.info, 0));
        const predicted = await evaluate(engine, 'predicted');
        known ??= dense.logits;
        for (const { logits } of [dense, exact, predicted]) {
          expect(logits).toHaveLength(known.length);
          for (const [i, row] of logits.entries()) expectSameBits(row, known[i] ?? NONE);
        }
        const fired = sum(exact.stats.fired) / sum(exact.stats.neurons);
        expect(fired).toBeLessThan(0.2);
      }
    });
  });

  test('decodes with the planted predictors, reading less than exact', async () => {
    const path = await write(shape, { type: 'Q4_0', layout: 'packed' });
    const { info, fingerprint } = await inspectModel(path);
    if (info === null) throw new Error('not described');
    const set = plantedPredictors({ model: info, fingerprint }, shape, PLANTED);
    const { heldOut } = set.layers[0] as { heldOut?: { recallValue: number } };
    await using engine = await openEngine(path);
    await engine.setPredictors(set);
    const { audit } = await evaluate(engine, 'predicted', true);
    const recall = sum(audit?.hitValue) / sum(audit?.firingValue);
    expect(recall).toBeCloseTo(heldOut?.recallValue ?? Number.NaN, 1.3);
    const read = async (mode: Mode) => {
      await using session = await engine.createSession();
      const options = { mode, maxTokens: 17, ignoreEos: true };
      const { decode } = await session.generate(IDS.slice(0, 8), options).result;
      return decode.ffnBytesRead.cpu;
    };
    const [dense, exact, predicted] = [
      await read('dense'),
      await read('exact'),
      await read('predicted'),
    ];
    expect(exact).toBeLessThan(0.75 * dense);
    expect(predicted).toBeLessThan(0.5 * exact);
  });

  test('fires as was planted', async () => {
    await using engine = await openEngine(await write(shape, { type: 'Q4_0', layout: 'packed' }));
    const { worst } = await checkRates(engine, shape, PLANTED, { tokens: 8192 });
    expect(worst).toBeLessThan(0.1);
  });
});

test('down matrices of K-quants are not read neuron by neuron, and are refused by name', async () => {
  const packed = await write('tiny', { type: 'F16', layout: 'packed' });
  const path = join(folder, 'packed-Q4_K.gguf');
  quantizeGguf(packed, path, (name) => (name.includes('ffn_down_t') ? 'Q4_K' : 'F16'));
  await expect(openEngine(path)).rejects.toMatchObject({
    code: 'WEIGHT_TYPE_UNSUPPORTED',
    message: expect.stringMatching(/'blk\.0\.ffn_down_t\.weight' is of type Q4_K.*Q8_0 or Q4_0/s),
  });
});

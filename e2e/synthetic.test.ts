import { join } from 'node:path';
import { writePredictorSet } from '@thermocline/contracts';
import { inspectModel, openEngine } from '@thermocline/engine-native';
import {
  checkRates,
  type PlantOptions,
  plantedPredictors,
  plantedRates,
  type SyntheticModelOptions,
  writeSyntheticModel,
} from '@thermocline/synth';
import { describe, expect, test } from 'vitest';
import { thermoclineJson } from './support/cli.js';
import { difference } from './support/compare.js';
import { temporaryFolder } from './support/temporary.js';
import { elementCount, readGguf, readTensor } from './tools/gguf.mjs';
import { decodeTensor } from './tools/tensor-codec.mjs';

const folder = temporaryFolder();
let files = 0;

interface Numbers {
  shape: number[];
  values: Float64Array;
}

async function write(shape: string, options: SyntheticModelOptions = {}): Promise<string> {
  const path = join(folder, `${shape}-${files++}.gguf`);
  await writeSyntheticModel(path, shape, options);
  return path;
}

/** Every tensor's numbers, by another reader than the engine's. */
function numbersOf(path: string): Map<string, Numbers> {
  const gguf = readGguf(path);
  return new Map(
    gguf.tensors.map((tensor) => {
      const values = decodeTensor(tensor.type, readTensor(gguf, tensor), elementCount(tensor));
      return [tensor.name, { shape: tensor.shape, values }];
    }),
  );
}

/** Compared as bytes: there are millions. */
function expectSameNumbers(found: Map<string, Numbers>, expected: Map<string, Numbers>): void {
  expect([...found.keys()]).toEqual([...expected.keys()]);
  for (const [name, { shape, values }] of expected) {
    const other = found.get(name) ?? { shape: [], values: new Float64Array() };
    expect(other.shape, name).toEqual(shape);
    expect(bytesOf(other.values).equals(bytesOf(values)), name).toBe(true);
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float64Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}

function transpose({ shape: [columns = 0, rows = 0], values }: Numbers): Numbers {
  const turned = values.map((_, i) => values[(i % rows) * columns + Math.floor(i / rows)] ?? 0);
  return { shape: [rows, columns], values: turned };
}

describe('the numbers of one seed', () => {
  test.each(['tiny', 'tiny-drelu', 'tiny-opt', 'tiny-falcon', 'tiny-moe'])(
    'are the same in every type: %s',
    async (shape) => {
      const expected = numbersOf(await write(shape, { type: 'F16' }));
      for (const type of ['Q8_0', 'Q4_0'] as const) {
        expectSameNumbers(numbersOf(await write(shape, { type })), expected);
      }
    },
  );

  test.each(['tiny', 'tiny-opt'])('are the same in both layouts: %s', async (shape) => {
    const usual = numbersOf(await write(shape));
    const expected = new Map(
      [...usual].map(([name, numbers]) =>
        name.includes('ffn_down')
          ? [name.replace('ffn_down.', 'ffn_down_t.'), transpose(numbers)]
          : [name, numbers],
      ),
    );
    for (const type of ['F16', 'Q8_0', 'Q4_0'] as const) {
      expectSameNumbers(numbersOf(await write(shape, { type, layout: 'packed' })), expected);
    }
  });

  test('give the same logits in every type', async () => {
    const ids = [1, 300, 17, 400, 301, 302, 99, 300];
    const logits = [];
    for (const type of ['Q4_0', 'Q8_0', 'F16'] as const) {
      await using engine = await openEngine(await write('tiny', { type }));
      await using session = await engine.createSession();
      logits.push((await session.evaluate(ids, { logits: 'all' })).logits);
    }
    const [four, eight, half] = logits;
    for (const [position, row] of (four ?? []).entries()) {
      // Both round activations to 8 bits, which F16 does not.
      expect(difference(eight?.[position] ?? [], row).relative).toBeLessThan(1e-5);
      expect(difference(half?.[position] ?? [], row).relative).toBeLessThan(2e-2);
    }
  });
});

describe('planted rates are those that a dense pass measures', () => {
  const cases: [string, PlantOptions][] = [
    ['tiny', {}],
    ['tiny', { seed: 5, skew: 1.2, sparsity: 0.95 }],
    ['tiny', { predictability: 0.5, rank: 96, sparsity: 0.5 }],
    ['tiny', { layers: 12, skew: 0 }],
    ['tiny-drelu', { skew: 0.5 }],
    ['tiny-opt', {}],
    ['tiny-opt', { sparsity: 0.97, seed: 9 }],
    ['tiny', { order: 'hottest-first' }],
  ];
  test.each(cases)('%s %o', async (shape, options) => {
    // Q8_0 rounds activations as Q4_0 does.
    for (const type of ['F16', 'Q4_0'] as const) {
      await using engine = await openEngine(await write(shape, { ...options, type }));
      const { worst } = await checkRates(engine, shape, options, { tokens: 8192 });
      expect(worst).toBeLessThan(0.1);
    }
  });

  test('and not those of another model', async () => {
    await using engine = await openEngine(await write('tiny'));
    const { worst } = await checkRates(engine, 'tiny', { sparsity: 0.85 }, { tokens: 2048 });
    expect(worst).toBeGreaterThan(0.2);
  });

  test('and fall from the first neuron to the last where a file is in order', () => {
    const [ordered, mixed] = (['hottest-first', 'random'] as const).map((order) =>
      plantedRates('tiny', { order }),
    );
    for (const [layer, rates] of (ordered ?? []).entries()) {
      const sorted = mixed?.[layer]?.toSorted().toReversed() ?? [];
      // Thresholds are rounded, for each neuron by another bit.
      const apart = rates.map((rate, i) => Math.abs(rate / (sorted[i] ?? 0) - 1));
      expect(Math.max(...apart)).toBeLessThan(0.1);
    }
  });

  test('by expert in mixtures, which the engine cannot run yet', () => {
    const [none, mixture] = plantedRates('tiny-moe');
    expect([none?.length, mixture?.length]).toEqual([0, 8 * 256]);
    const mean = Array.from(mixture ?? []).reduce((sum, rate) => sum + rate, 0) / (8 * 256);
    expect(mean).toBeCloseTo(0.1, 2);
  });
});

describe('planted predictors find what they are said to find', () => {
  const cases: [string, PlantOptions, number][] = [
    ['tiny', { rank: 64 }, 1.25],
    ['tiny-drelu', { rank: 64, predictability: 0.85 }, 1.5],
    ['tiny-opt', { rank: 64, predictability: 0.8 }, 1.1],
    ['tiny', { rank: 64, order: 'hottest-first' }, 1.25],
  ];
  test.each(cases)('%s %o at %d', async (shape, options, overPrediction) => {
    const path = await write(shape, options);
    const { info, fingerprint } = await inspectModel(path);
    if (info === null) throw new Error('not described');
    const set = plantedPredictors({ model: info, fingerprint }, shape, options, { overPrediction });
    const predictors = `${path}.predictors`;
    await writePredictorSet(predictors, set);
    const expected = set.layers[0]?.kind === 'factorised' ? set.layers[0].heldOut : undefined;
    const text = join(import.meta.dirname, '..', 'README.md');
    const args = ['--mode', 'predicted', '--predictors', predictors, '--text', text];
    const found = await thermoclineJson<Record<string, number>>(['eval', path, ...args]);
    expect(found['recall_value']).toBeCloseTo(expected?.recallValue ?? Number.NaN, 1.5);
    expect(found['recall_count']).toBeCloseTo(expected?.recallCount ?? Number.NaN, 1.3);
    expect((found['over_prediction'] ?? 0) / overPrediction).toBeCloseTo(1, 1);
  });
});

describe('shapes that are not computed yet', () => {
  test.each(['tiny-falcon', 'tiny-moe'])('%s is inspected, and refused by name', async (shape) => {
    const path = await write(shape);
    const { tensors, modelProblem, vocabulary } = await inspectModel(path);
    expect(tensors.length).toBeGreaterThan(10);
    expect(vocabulary?.tokens).toBe(1024);
    expect(modelProblem).toMatch(/is not supported/);
    await expect(openEngine(path)).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});

import { isPipelineError } from '@thermocline/contracts';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  inspectModel,
  type NativeEngine,
  type NativeSession,
  openEngine,
  openTokenizer,
  probeHardware,
} from './index.js';
import { SMALL_MODEL } from './testing/models.js';

let engine: NativeEngine;
let session: NativeSession;
beforeAll(async () => {
  engine = await openEngine(SMALL_MODEL);
  session = await engine.createSession();
});
afterAll(() => engine.close());

// Values of every kind, none of which any parameter below accepts.
const wrong = fc.oneof(
  fc.constantFrom<unknown>(null, Number.NaN, Infinity, -1, 0.5, 2 ** 60, 1n, true, Symbol('s')),
  fc.constantFrom<unknown>({}, [[]], () => 0, new Date(), new Float32Array([0.5]), 'nonsense'),
);
// Their number is not finite, or they are no number at all.
const notNumber = wrong.filter((value) => typeof value !== 'number' || !Number.isFinite(value));
const notObject = fc.constantFrom<unknown>(null, 7, 'text', true, 1n);
const notString = wrong.filter((value) => typeof value !== 'string');
const notBoolean = wrong.filter((value) => typeof value !== 'boolean');
const notFunction = wrong.filter((value) => typeof value !== 'function');

type Action = (value: never) => unknown;
const cases: [name: string, values: fc.Arbitrary<unknown>, action: Action][] = [
  ['openEngine path', notString, (v) => openEngine(v)],
  ['openEngine options', notObject, (v) => openEngine(SMALL_MODEL, v)],
  ...(['threads', 'context', 'kvType', 'ramBudgetBytes', 'onProgress', 'signal'] as const).map(
    (name): [string, fc.Arbitrary<unknown>, Action] => [
      `openEngine ${name}`,
      wrong.filter((v) => !(name === 'onProgress' && typeof v === 'function')),
      (v) =>
        openEngine(SMALL_MODEL, { [name]: name === 'ramBudgetBytes' && v === 2 ** 60 ? 0 : v }),
    ],
  ),
  ['openEngine kernels', wrong, (v) => openEngine(SMALL_MODEL, { kernels: v })],
  ['openTokenizer path', notString, (v) => openTokenizer(v)],
  ['inspectModel path', notString, (v) => inspectModel(v)],
  ['probeHardware options', notObject, (v) => probeHardware(v)],
  ['probeHardware threads', wrong, (v) => probeHardware({ threads: v })],
  ['probeHardware bufferBytes', wrong, (v) => probeHardware({ bufferBytes: v })],
  ['probeHardware driveFileBytes', wrong, (v) => probeHardware({ driveFileBytes: v })],
  ['probeHardware gpu', notBoolean, (v) => probeHardware({ gpu: v })],
  ['probeHardware vulkanCpuDevices', notBoolean, (v) => probeHardware({ vulkanCpuDevices: v })],
  ['probeHardware onProgress', notFunction, (v) => probeHardware({ onProgress: v })],
  ['probeHardware onNotice', notFunction, (v) => probeHardware({ onNotice: v })],
  ['probeHardware signal', wrong, (v) => probeHardware({ signal: v })],
  ['tokenize text', notString, (v) => engine.tokenize(v)],
  ['tokenize options', notObject, (v) => engine.tokenize('a', v)],
  ['tokenize addSpecial', notBoolean, (v) => engine.tokenize('a', { addSpecial: v })],
  ['detokenize tokens', wrong, (v) => engine.detokenize(v)],
  ['tokenText token', wrong, (v) => engine.tokenText(v)],
  ['createSession options', notObject, (v) => engine.createSession(v)],
  ['createSession context', wrong, (v) => engine.createSession({ context: v })],
  ['createSession kvType', wrong, (v) => engine.createSession({ kvType: v })],
  ['step items', wrong, (v) => engine.step(v)],
  ['step item', wrong, (v) => engine.step([v])],
  ['step session', wrong, (v) => engine.step([{ session: v, tokens: [1] }])],
  ['step tokens', wrong, (v) => engine.step([{ session, tokens: v }])],
  ['step logits', wrong, (v) => engine.step([{ session, tokens: [1], logits: v }])],
  ['evaluate a token', wrong, (v) => session.evaluate([1, v])],
  ['evaluate mode', wrong, (v) => session.evaluate([1], { mode: v })],
  ['evaluate audit', notBoolean, (v) => session.evaluate([1], { audit: v })],
  ['evaluate signal', wrong, (v) => session.evaluate([1], { signal: v })],
  ['generate prompt', wrong, (v) => session.generate(v).result],
  ['generate options', notObject, (v) => session.generate([1], v).result],
  ['generate temperature', notNumber, (v) => generate({ temperature: v })],
  ['generate topP', notNumber, (v) => generate({ topP: v })],
  ['generate topK', wrong, (v) => generate({ topK: v })],
  ['generate seed', wrong, (v) => generate({ seed: v })],
  ['generate maxTokens', wrong, (v) => generate({ maxTokens: v })],
  ['generate stop', notObject, (v) => generate({ stop: v })],
  ['generate a stop', notString, (v) => generate({ stop: [v] })],
  ['generate ignoreEos', notBoolean, (v) => generate({ ignoreEos: v })],
  ['truncate length', wrong, (v) => session.truncate(v)],
  ['setPlan plan', wrong.filter((v) => v !== null), (v) => engine.setPlan(v)],
  ['setPredictors set', wrong.filter((v) => v !== null), (v) => engine.setPredictors(v)],
  ['setPredictors layer', wrong, (v) => engine.setPredictors(setWith(v))],
  ['setPredictors kind', wrong, (v) => engine.setPredictors(setWith({ ...trained(), kind: v }))],
  ['setPredictors reads', wrong, (v) => engine.setPredictors(setWith({ ...trained(), reads: v }))],
  [
    'setPredictors threshold',
    wrong,
    (v) => engine.setPredictors(setWith({ ...trained(), threshold: v })),
  ],
  ['setPredictors down', wrong, (v) => engine.setPredictors(setWith({ ...trained(), down: v }))],
  [
    'setPredictors type',
    wrong,
    (v) => engine.setPredictors(setWith({ ...trained(), up: { ...matrix(), type: v } })),
  ],
  [
    'setPredictors rows',
    wrong,
    (v) => engine.setPredictors(setWith({ ...trained(), down: { ...matrix(), rows: v } })),
  ],
  [
    'setPredictors values',
    wrong,
    (v) => engine.setPredictors(setWith({ ...trained(), up: { ...matrix(), values: v } })),
  ],
  [
    'setPredictors scale',
    wrong,
    (v) => engine.setPredictors(setWith({ ...trained(), up: { ...matrix(), scale: v } })),
  ],
  [
    'setPredictors signs',
    wrong,
    (v) => engine.setPredictors(setWith({ ...trained(), kind: 'signs', signs: v })),
  ],
  ['sum windows', wrong, (v) => engine.sum(v)],
  ['sum window', wrong, (v) => engine.sum([v])],
  ['sum options', notObject, (v) => engine.sum([], v)],
  ['sum thresholds', wrong, (v) => engine.sum([], { thresholds: v })],
  [
    'sum a threshold',
    wrong.filter((v) => v !== 0.5 && v !== 2 ** 60),
    (v) => engine.sum([], { thresholds: thresholdsWith(v) }),
  ],
  ['sum sketch', wrong, (v) => engine.sum([], { sketch: v })],
  ['sum salt', wrong, (v) => engine.sum([], { sketch: { salt: v } })],
  ['sum signal', wrong, (v) => engine.sum([], { signal: v })],
  ['observe windows', wrong, (v) => first(engine.observe(v, { streams: ['residual'] }))],
  ['observe options', notObject, (v) => first(engine.observe([], v))],
  ['observe streams', wrong, (v) => first(engine.observe([], { streams: [v] }))],
  [
    'observe layers',
    wrong,
    (v) => first(engine.observe([], { streams: ['residual'], layers: [v] })),
  ],
];

const matrix = () => ({
  type: 'Q8_0',
  rows: 32,
  columns: engine.info.model.d_model,
  values: new Int8Array(32 * engine.info.model.d_model),
  scale: new Uint16Array(engine.info.model.d_model),
});
const trained = () => ({
  kind: 'trained',
  reads: 'same-layer',
  threshold: Float32Array.of(0),
  down: matrix(),
  up: matrix(),
});
/** A predictor set whose one layer is wrong. */
const setWith = (layer: unknown): never => {
  const { fingerprint, model } = engine.info;
  return { fingerprint, model, corpora: [], layers: [layer] } as never;
};
const thresholdsWith = (value: never) =>
  Array<never>(engine.info.model.layers)
    .fill(0 as never)
    .with(-1, value);
const generate = (options: object) => session.generate([1], options).result;
const first = (batches: AsyncIterable<unknown>) => batches[Symbol.asyncIterator]().next();

test.each(cases)('%s', async (_, values, action) => {
  await fc.assert(
    fc.asyncProperty(values, async (value) => {
      const error = await (async () => action(value as never))().then(
        () => expect.fail('was accepted'),
        (thrown: unknown) => thrown,
      );
      if (!isPipelineError(error, 'INVALID_ARGUMENT')) throw error;
      expect(error.details.argument).not.toBe('');
    }),
    { numRuns: 40 },
  );
});

test('tokens outside the vocabulary are refused and nothing is computed', async () => {
  const { vocab } = engine.info.model;
  const before = session.length;
  for (const token of [vocab, vocab + 1, 2 ** 31 - 1]) {
    await expect(session.evaluate([1, token])).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(session.evaluate(Int32Array.of(-5))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
    });
  }
  expect(session.length).toBe(before);
});

test('modes that need predictors say what is missing', async () => {
  for (const mode of ['predicted', 'threshold'] as const) {
    await expect(session.evaluate([1], { mode })).rejects.toMatchObject({
      code: 'MODE_UNSUPPORTED',
      message: expect.stringMatching(/needs|skips/),
    });
  }
});

test('a session of another engine is refused', async () => {
  await using other = await openEngine(SMALL_MODEL);
  const foreign = await other.createSession();
  await expect(engine.step([{ session: foreign, tokens: [1] }])).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
});

import type { LayerPredictor, MeasuredLoss } from '@thermocline/contracts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { evaluateChoices, loadModel, type Model, topLogits } from './index.js';

const GATE: LayerPredictor = {
  kind: 'gate',
  reads: 'same-layer',
  threshold: Float32Array.of(0.01),
};
const TASK = { context: 'Once upon a', choices: ['time', 'dog'], answer: 0 };
const COST: MeasuredLoss = {
  mode: 'threshold',
  perplexity: 8.4,
  densePerplexity: 8,
  tokens: 1000,
};

let model: Model;
beforeAll(async () => {
  model = await loadModel();
});
afterAll(() => model.close());

/** Loads gates of which so much was measured. */
async function useGates(measured: MeasuredLoss[]): Promise<void> {
  const { fingerprint, model: info } = model.info;
  const layers = Array.from({ length: info.layers }, () => GATE);
  await model.usePredictors({ fingerprint, model: info, corpora: [], layers, measured });
}

describe('mode threshold', () => {
  const mode = 'threshold';
  const alone = { modes: [mode] } as const;

  it('computes nothing where nobody knows what it costs', async () => {
    await useGates([]);
    const refusal = { code: 'MODE_UNSUPPORTED', message: expect.stringMatching(/not measured/) };
    await expect(model.generate('Once', { mode }).result).rejects.toMatchObject(refusal);
    await expect(topLogits(model, 'Once', { mode })).rejects.toMatchObject(refusal);
    await expect(evaluateChoices(model, [TASK], alone)).rejects.toMatchObject(refusal);
  });

  it('may answer beside dense, which shows what it costs', async () => {
    await useGates([]);
    const { scores } = await evaluateChoices(model, [TASK], { modes: ['dense', mode] });
    expect(scores.map(({ loss }) => loss)).toEqual([null, null]);
  });

  it('names what was measured', async () => {
    await useGates([COST]);
    const cost = { mode, perplexity: 8.4, tokens: 1000 };
    expect((await topLogits(model, 'Once', { mode })).loss).toMatchObject(cost);
    expect((await evaluateChoices(model, [TASK], alone)).scores[0]?.loss).toMatchObject(cost);
    expect((await topLogits(model, 'Once', { mode: 'dense' })).loss).toBeNull();
  });
});

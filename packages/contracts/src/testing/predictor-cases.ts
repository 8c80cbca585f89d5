import { describe, expect, it } from 'vitest';
import type { Engine, Evaluation, Mode } from '../engine.js';
import type { LayerPredictor } from '../predictor-layer.js';
import type { PredictorSet } from '../predictor-set.js';
import { expectClose, expectCode, only } from './expect.js';

const RANK = 32;

/** What an engine owes its users once it has predictors. `of` gives the engine and a prompt. */
export function predictorCases(of: () => { engine: Engine; prompt: Int32Array }): void {
  describe('predictors', () => {
    const hasZeros = () => of().engine.info.defaultMode === 'exact';

    it('computes what they name, and with all of it what dense gives', async () => {
      const dense = await evaluateIn('dense');
      await using _ = await lend(scores(-1));
      if (!hasZeros()) {
        await expectCode('MODE_UNSUPPORTED', () => evaluateIn('predicted'));
        return;
      }
      const all = await evaluateIn('predicted');
      expectClose(only(all.logits), only(dense.logits));
      expect(all.stats.computed).toEqual(all.stats.neurons);
      expect(all.stats.predictorBytes.every((bytes) => bytes > 0)).toBe(true);
      expect(all.stats.predictorMs.every((ms) => ms >= 0)).toBe(true);
      expect(all.stats.ffnMs).toBeGreaterThan(0);
      expect(all.stats.ffnMs).toBeLessThanOrEqual(all.stats.timeMs);
      await of().engine.setPredictors(scores(1));
      const none = await evaluateIn('predicted');
      expect(none.stats.computed.every((count) => count === 0)).toBe(true);
      expect(none.stats.fired.every((count) => count === 0)).toBe(true);
    });

    it('leaves out what is below a threshold', async () => {
      const dense = await evaluateIn('dense');
      await using _ = await lend(gates(hasZeros() ? 0 : -1));
      const close = await evaluateIn('threshold');
      expectClose(only(close.logits), only(dense.logits));
      await of().engine.setPredictors(gates(0.3));
      const { stats } = await evaluateIn('threshold');
      for (const [layer, computed] of stats.computed.entries()) {
        expect(computed).toBeLessThan(stats.neurons[layer] as number);
      }
    });

    it('compares with what fires, and changes nothing by it', async () => {
      const { prompt } = of();
      await using _ = await lend(gates(0.3));
      const plain = await evaluateIn('threshold');
      const audited = await evaluateIn('threshold', true);
      expect(audited.logits).toEqual(plain.logits);
      expect(plain.audit).toBeUndefined();
      const audit = audited.audit as NonNullable<Evaluation['audit']>;
      expect(audit.tokens).toBe(prompt.length);
      expect(audit.predicted).toEqual(audited.stats.computed);
      for (const [layer, hits] of audit.hits.entries()) {
        expect(hits).toBeLessThanOrEqual(audit.firing[layer] as number);
        expect(audit.hitValue[layer]).toBeLessThanOrEqual(audit.firingValue[layer] as number);
      }
      for (const mode of ['exact', 'dense'] as const) {
        if (!of().engine.info.modes.includes(mode)) continue;
        const { audit: full } = await evaluateIn(mode, true);
        expect(full?.hits).toEqual(full?.firing);
      }
    });

    it('runs only modes whose predictors are there', async () => {
      const { engine } = of();
      const before = engine.info.modes;
      for (const mode of ['predicted', 'threshold'] as const) {
        expect(before).not.toContain(mode);
        await expectCode('MODE_UNSUPPORTED', () => evaluateIn(mode));
      }
      {
        await using _ = await lend(gates(0));
        expect(engine.info.modes).toContain('threshold');
        expect(engine.info.modes.includes('predicted')).toBe(hasZeros());
        await engine.setPredictors(scores(0));
        expect(engine.info.modes).not.toContain('threshold');
        expect(engine.info.modes.includes('predicted')).toBe(hasZeros());
      }
      expect(engine.info.modes).toEqual(before);
    });

    it('refuses sets of other models and keeps what it has', async () => {
      const { engine } = of();
      await using _ = await lend(gates(0));
      const wrong: PredictorSet = { ...gates(0), fingerprint: 'another' };
      await expectCode('ARTIFACT_MODEL_MISMATCH', () => engine.setPredictors(wrong));
      const short = gates(0);
      short.layers.pop();
      await expectCode('INVALID_ARGUMENT', () => engine.setPredictors(short));
      expect(engine.info.modes).toContain('threshold');
    });

    async function evaluateIn(mode: Mode, audit = false): Promise<Evaluation> {
      const { engine, prompt } = of();
      await using session = await engine.createSession();
      return await session.evaluate(prompt, { mode, audit });
    }

    /** Sets predictors until the end of the scope. */
    async function lend(set: PredictorSet): Promise<AsyncDisposable> {
      const { engine } = of();
      await engine.setPredictors(set);
      return { [Symbol.asyncDispose]: () => engine.setPredictors(null) };
    }

    function setOf(layer: (neurons: number) => LayerPredictor): PredictorSet {
      const { fingerprint, model } = of().engine.info;
      return { fingerprint, model, corpora: [], layers: model.n_ff.map(layer) };
    }

    function gates(threshold: number): PredictorSet {
      const reads = 'same-layer' as const;
      return setOf(() => ({ kind: 'gate', reads, threshold: Float32Array.of(threshold) }));
    }

    /** Predictors whose every score is 0. */
    function scores(threshold: number): PredictorSet {
      const { d_model } = of().engine.info.model;
      const zeros = (rows: number, columns: number) => ({
        type: 'F32' as const,
        rows,
        columns,
        values: new Float32Array(rows * columns),
      });
      return setOf((neurons) => ({
        kind: 'trained',
        reads: 'same-layer',
        down: zeros(RANK, d_model),
        up: zeros(neurons, RANK),
        threshold: Float32Array.of(threshold),
      }));
    }
  });
}

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PredictorSet, readPredictorSet, writePredictorSet } from '@thermocline/contracts';
import { afterAll, describe, expect, it } from 'vitest';
import { ROOT, runCli, runJson } from '../testing/run-cli.js';

// Twelve layers with predictors of every kind and type.
const SET = join(ROOT, 'packages', 'contracts', 'fixtures', 'predictor-set.safetensors');
const PLAN = join(ROOT, 'packages', 'contracts', 'fixtures', 'placement-plan.safetensors');

const folder = mkdtempSync(join(tmpdir(), 'thermocline-inspect-predictors-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The set, changed, in a file of its own. */
async function changed(
  name: string,
  change: (set: PredictorSet) => Partial<PredictorSet>,
): Promise<string> {
  const path = join(folder, name);
  const set = await readPredictorSet(SET);
  await writePredictorSet(path, { ...set, ...change(set) });
  return path;
}
const madeWith = (options: Record<string, unknown>) => ({
  madeBy: { tool: 'a trainer', version: '1', options },
});

describe('thermocline inspect, of predictor sets', () => {
  it('gives every figure as JSON', async () => {
    const json = (await runJson(['inspect', SET])) as { weights: number; layers: object[] };
    expect(json).toMatchObject({
      kind: 'predictors',
      weights: 20_416,
      bytes: 29_554,
      calibration: { from: 0.875, to: 0.96875, points: 2 },
      measured: [
        { mode: 'predicted', recall: 0.96875, sparsity: null, perplexity_change: 0.0078125 },
        { mode: 'threshold', recall: null, sparsity: 0.5, dense_perplexity: 8, tokens: 8192 },
      ],
    });
    expect(json.layers[0]).toEqual({
      kind: 'trained',
      reads: 'same-layer',
      rank: 32,
      type: 'F32',
      // down [32 × 32] and up [8 × 32], of four bytes, and a threshold.
      weights: 1280,
      bytes: 5124,
      params_share: expect.any(Number),
      thresholds: 1,
      recall_value: 0.96875,
      recall_count: 0.9375,
      over_prediction: 1.25,
      density: 0.125,
      held_out_tokens: 8192,
      same_layer: null,
    });
    expect(json.layers[5]).toMatchObject({
      kind: 'none',
      weights: 0,
      bytes: 0,
      recall_value: null,
    });
    expect(json.layers[6]).toMatchObject({ kind: 'signs', rank: null, type: null });
    expect(json.layers[8]).toMatchObject({
      reads: 'previous-layer',
      same_layer: { recall_value: 0.96875 },
    });
  });

  it('tells a person the same', async () => {
    const { stdout } = await runCli(['inspect', SET]);
    expect(stdout).toMatch(/trained in 5 layers, factorised in 4 layers, none in 1 layer/);
    expect(stdout).toMatch(/20,416 weights: 29\.9 % of the model's parameters/);
    expect(stdout).toMatch(/--recall 87\.5 % to 96\.9 % \(2 points\)/);
    expect(stdout).toMatch(/predicted +96\.9 % +8\.0625 +\+0\.78 % +8\.0000 +8,192/);
    expect(stdout).toMatch(/ 7 +gate +same-layer/);
    expect(stdout).toMatch(/recall by value +by count +over-prediction +reading its own layer\n/);
    expect(stdout).toMatch(/reading its own layer: recall by value and over-prediction, had it/);
  });

  it('says what a set was made for', async () => {
    const path = await changed('made.predictors', () => ({
      ...madeWith({ recall: 0.95 }),
      measured: [{ mode: 'predicted', perplexity: 8.5, densePerplexity: 8, tokens: 10 }],
    }));
    expect(await runJson(['inspect', path])).toMatchObject({
      made_for: { recall: 0.95, sparsity: null },
      measured_sparsities: null,
    });
    const { stdout } = await runCli(['inspect', path]);
    expect(stdout).toMatch(/made for +recall by value 95\.0 %/);
    expect(stdout).toMatch(/predicted +as made, 95\.0 % +8\.5000 +\+6\.25 %/);
  });

  it('takes it from the calibration where no maker says', async () => {
    const path = await changed('unsaid.predictors', ({ layers }) => ({
      layers: layers.map((layer) =>
        layer.kind === 'none' || !layer.calibration
          ? layer
          : { ...layer, calibration: layer.calibration.with(2, 1).with(6, 0) },
      ),
    }));
    expect(await runJson(['inspect', path])).toMatchObject({ made_for: { recall: 0.96875 } });
    // The set itself stands at two recalls at once, so nobody can tell.
    expect(await runJson(['inspect', SET])).toMatchObject({ made_for: null });
  });

  it('shows the sparsities that were measured where nothing else runs', async () => {
    const path = await changed('silu.predictors', ({ model, layers }) => ({
      ...madeWith({ sparsity: 0.5 }),
      model: { ...model, activation: 'silu' },
      layers: layers.map((layer) => (layer.kind === 'gate' ? layer : { kind: 'none' })),
      measured: [undefined, 0.25, 0.6].map((sparsity) => ({
        mode: 'threshold' as const,
        ...(sparsity && { sparsity }),
        perplexity: 8.5,
        densePerplexity: 8,
        tokens: 10,
      })),
    }));
    const { stdout } = await runCli(['inspect', path]);
    expect(stdout).toMatch(/runs at +--sparsity 25\.0 % to 60\.0 % \(measured at 2 points\)/);
    expect(stdout).not.toMatch(/--recall|reading its own/);
  });

  it('says so where there is nothing to draw', async () => {
    const path = await changed('none.predictors', ({ layers }) => ({
      layers: layers.map(() => ({ kind: 'none' })),
    }));
    const [html, svg] = [join(folder, 'none.html'), join(folder, 'none.svg')];
    const { code, stderr } = await runCli(['inspect', path, '--html', html, '--svg', svg]);
    expect(code).toBe(2);
    expect(stderr).toMatch(/nothing to draw/);
    expect([html, svg].map((file) => existsSync(file))).toEqual([false, false]);
    expect((await runCli(['inspect', path, '--html', html])).code).toBe(0);
    const page = readFileSync(html, 'utf8');
    expect(page).toContain('There is nothing to draw');
    expect(page).not.toContain('Point at');
  });

  it('draws width, recall, over-prediction and density over depth', async () => {
    const [html, svg] = [join(folder, 'set.html'), join(folder, 'set.svg')];
    const { code } = await runCli(['inspect', SET, '--html', html, '--svg', svg]);
    expect(code).toBe(0);
    const page = readFileSync(html, 'utf8');
    const figure = readFileSync(svg, 'utf8');
    for (const title of ['Recall', 'Over-prediction', 'Sparsity', 'Width']) {
      expect(page).toContain(`<h2>${title} over depth</h2>`);
      expect(figure).toContain(`</tspan> ${title} over depth</text>`);
    }
    expect(page).toMatch(
      /<title>Predictors of a llama model, 12 layers of 8 or .* neurons<\/title>/,
    );
    expect(page).toContain('layer 5: 0.0 % of the neurons are not computed');
    expect(page).toContain('layer 0: 96.9 % of the value');
    expect(page).toContain('layer 0: trained, 32 hidden units');
    for (const text of [page, figure]) expect(text).not.toMatch(/NaN|undefined|Infinity/);
    expect(figure).not.toContain('var(');
  });

  it.each([
    [[PLAN, '--html', join(folder, 'plan.html')], /profiles, predictor sets and benchmarks only/],
    [[SET, '--svg', SET], /file of its own/],
    [[SET, '--svg', PLAN], /is no picture/],
  ])('refuses to draw %j', async (args, message) => {
    const { code, stderr } = await runCli(['inspect', ...args]);
    expect(code).toBe(2);
    expect(stderr).toMatch(message);
  });
});

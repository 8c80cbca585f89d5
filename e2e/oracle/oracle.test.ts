import { describe, expect, test } from 'vitest';
import { best, expectSameTop, topLogits } from '../support/compare.js';
import { demo, missing, opt, swiglu } from '../support/fixtures.js';
import { runOracle } from './oracle.js';
import { loadOracleModel } from './oracle-model.js';

// The references were computed in single precision, hence these.
const LOGIT_TOLERANCE = 1e-5;
const MARGIN_TOLERANCE = 1e-3;

describe.each([demo, opt, swiglu])('the oracle agrees with the reference of $name', (fixture) => {
  test.skipIf(missing(fixture.gguf))('logits, firing neurons and margins', () => {
    const model = loadOracleModel(fixture.gguf);
    for (const prompt of fixture.reference().prompts) {
      const tokens = [...prompt.ids, ...prompt.greedy_ids.slice(0, -1)];
      const last = prompt.ids.length - 1;
      const run = runOracle(model, tokens);
      expectSameTop(topLogits(run.logits[last] ?? [], 10), prompt.top10, LOGIT_TOLERANCE);
      expect(run.active[last]).toEqual(prompt.active_neurons_last_pos_per_layer);
      const path = run.logits.slice(last).map(best);
      expect(path.map(({ id }) => id)).toEqual(prompt.greedy_ids);
      const margins = path.map(({ margin }) => margin);
      expect(margins.indexOf(Math.min(...margins))).toBe(prompt.greedy_min_margin_at);
      const gap = Math.abs(Math.min(...margins) - prompt.greedy_min_margin);
      expect(gap).toBeLessThan(MARGIN_TOLERANCE);
    }
  });
});

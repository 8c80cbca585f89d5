import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { planGeometry } from './geometry.js';
import { resolveRecipe } from './recipe.js';
import { SHAPES } from './shapes.js';

const names = Object.keys(SHAPES);

describe('where things are planted', () => {
  it('gives the rank columns the share that was asked for, and keeps scales normal half floats', () => {
    const shares = fc.double({ min: 0.05, max: 0.99, noNaN: true });
    fc.assert(
      fc.property(fc.constantFrom(...names), shares, (name, predictability) => {
        const recipe = resolveRecipe(name, { predictability });
        const plan = planGeometry(recipe);
        const { rank, strong, weak, gateRank, gateStrong } = plan;
        const seen = rank * 4 ** gateRank;
        const rest = strong * 4 ** gateStrong + weak * 4 ** (gateStrong - 1);
        // As near as whole blocks allow.
        const step = 32 / (strong + weak);
        expect(Math.abs(rest / seen / ((1 - predictability) / predictability) - 1)).toBeLessThan(
          3 * step,
        );
        expect(plan.constant + rank + strong + weak).toBe(recipe.shape.dModel);
        for (const column of [strong, weak]) expect(column % 32).toBe(0);
        const { embedding, embeddingConstant, gateConstant, input, head, down } = plan;
        const { attentionOutput, position, inputConstant } = plan;
        for (const exponent of [
          ...[embedding, embeddingConstant, gateConstant, gateRank, gateStrong - 1, input],
          ...[head, attentionOutput, down, position, inputConstant],
        ]) {
          expect(exponent).toBeGreaterThanOrEqual(-14);
          expect(exponent).toBeLessThanOrEqual(12);
        }
      }),
    );
  });
});

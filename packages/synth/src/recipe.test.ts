import { describe, expect, it } from 'vitest';
import { readRecipe } from './read-recipe.js';
import { type PlantOptions, resolveRecipe } from './recipe.js';

describe('what is asked for', () => {
  it.each<[string, string, PlantOptions]>([
    ['shape', 'toString', {}],
    ['sparsity', 'tiny', { sparsity: 1 }],
    ['sparsity', 'tiny', { sparsity: Number.NaN }],
    ['skew', 'tiny', { skew: -1 }],
    ['predictability', 'tiny', { predictability: 1 }],
    ['rank', 'tiny', { rank: 33 }],
    ['rank', 'tiny', { rank: 256 }],
    ['layers', 'tiny', { layers: 0 }],
    ['seed', 'tiny', { seed: 2 ** 32 }],
    ['seed', 'tiny', { seed: 1.5 }],
    ['order', 'tiny', { order: 'coldest-first' as 'random' }],
  ])('%s is refused: %s %o', (argument, shape, options) => {
    expect(() => resolveRecipe(shape, options)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        details: expect.objectContaining({ argument }),
      }),
    );
  });
});

describe('what a file says', () => {
  const key = (part: string, summary: unknown) => ({
    key: `thermocline.synthetic${part}`,
    summary: String(summary),
  });
  const marked = [
    ...[key('', true), key('.recipe', 1), key('.shape', 'tiny'), key('.seed', 3)],
    ...[key('.layers', 2), key('.sparsity', 0.9), key('.skew', 0.8), key('.rank', 32)],
    key('.predictability', 0.95),
  ];

  it('is what it was made of', () => {
    expect(readRecipe('m.gguf', marked)).toEqual(resolveRecipe('tiny', { seed: 3 }));
  });

  it('names an order that is not the usual one', () => {
    const ordered = [...marked, key('.order', 'hottest-first')];
    const recipe = resolveRecipe('tiny', { seed: 3, order: 'hottest-first' });
    expect(readRecipe('m.gguf', ordered)).toEqual(recipe);
  });

  it.each([
    ['MODEL_UNSUPPORTED', 'no synthetic model', []],
    ['MODEL_UNSUPPORTED', 'recipe 9', [key('', true), key('.recipe', 9)]],
    ['INVALID_ARGUMENT', 'seed', marked.filter((entry) => !entry.key.endsWith('seed'))],
  ])('is refused with %s: %s', (code, words, metadata) => {
    expect(() => readRecipe('m.gguf', metadata)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(words) }),
    );
  });
});

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Content, corpusOf } from './corpus-of.js';
import { type CutOptions, cutWindows } from './cut-windows.js';
import type { CorpusWindow } from './domain-windows.js';
import { tinyModel } from './testing/tiny-model.js';

const source = tinyModel();

async function cut(contents: Parameters<typeof corpusOf>[0], options?: CutOptions) {
  const windows: CorpusWindow[] = [];
  for await (const window of cutWindows(source, corpusOf(contents), options)) windows.push(window);
  return windows;
}

const ids = (length: number, from = 0) => Int32Array.from({ length }, (_, i) => (from + i) % 256);

describe('cutWindows', () => {
  it('cuts every document from its beginning, texts with BOS and ids without', async () => {
    const windows = await cut(['abcd', ids(5)], { context: 3 });
    const short = windows.map(({ tokens, document, position, index }) => ({
      tokens: [...tokens],
      at: [index, document, position],
    }));
    expect(short).toEqual([
      { tokens: [256, 97, 98], at: [0, 0, 0] },
      { tokens: [99, 100], at: [1, 0, 3] },
      { tokens: [0, 1, 2], at: [2, 1, 0] },
      { tokens: [3, 4], at: [3, 1, 3] },
    ]);
  });

  it('takes as a default what the model holds, and refuses more', async () => {
    const [first] = await cut([ids(100)]);
    expect(first?.tokens.length).toBe(64);
    await expect(cut([ids(100)], { context: 65 })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { argument: 'context' },
    });
    await expect(cut([ids(100)], { tokens: 0 })).rejects.toThrow('tokens must be a whole number');
  });

  it('refuses ids outside the vocabulary, naming the place', async () => {
    await expect(cut({ mine: [Int32Array.of(1, 257)] })).rejects.toMatchObject({
      code: 'CORPUS_INVALID',
      details: { path: 'mine', place: 'element 1 of document 0' },
    });
  });

  it('gives a part of a domain that ran out to the others', async () => {
    const contents = { poor: [ids(5)], rich: [ids(40)], richer: [ids(70)] };
    const windows = await cut(contents, { context: 8, tokens: 46 });
    const taken = [0, 1, 2].map((domain) => total(windows.filter((w) => w.domain === domain)));
    expect(taken).toEqual([5, 21, 20]);
  });

  it('meets any budget exactly and shares it fairly', async () => {
    const documents = fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 });
    const property = fc.asyncProperty(
      fc.array(documents, { minLength: 1, maxLength: 4 }),
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 16 }),
      async (lengths, tokens, context) => {
        const domains = lengths.map((list, i): [string, Content[]] => [
          `d${i}`,
          list.map((length) => ids(length, i)),
        ]);
        const windows = await cut(Object.fromEntries(domains), { tokens, context });
        const sizes = lengths.map((list) => list.reduce((sum, length) => sum + length, 0));
        const taken = sizes.map((_, i) => total(windows.filter(({ domain }) => domain === i)));
        expect(total(windows)).toBe(Math.min(tokens, sum(sizes)));
        expect(windows.map(({ index }) => index)).toEqual(windows.map((_, i) => i));
        expect(windows.every((w) => w.tokens.length > 0 && w.tokens.length <= context)).toBe(true);
        // A domain has less than another only when it gave all it had; one token is for odd rests.
        const most = Math.max(...taken);
        for (const [i, had] of taken.entries()) {
          if (had < (sizes[i] as number)) expect(had).toBeGreaterThanOrEqual(most - 1);
        }
        const parts = windows.filter((w) => w.tokens.length < context && !endsDocument(w));
        expect(parts.length).toBeLessThanOrEqual(domains.length);
        function endsDocument({ document, position, tokens: { length } }: (typeof windows)[0]) {
          return position + length === lengths.flat()[document];
        }
      },
    );
    await fc.assert(property, { numRuns: 200 });
  });
});

function total(windows: { tokens: Int32Array }[]): number {
  return sum(windows.map(({ tokens }) => tokens.length));
}

function sum(numbers: number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitDocuments } from '../split-documents.js';
import { DocumentIndex } from './document-index.js';
import { TextIndexer } from './index-text.js';
import { cutLongText, MAX_TEXT_BYTES } from './long-text.js';

/** Feeds bytes in chunks of the given sizes, in turn. */
function documentsIn(bytes: Buffer, sizes: readonly number[]): string[] {
  const index = new DocumentIndex();
  const indexer = new TextIndexer('x.txt', index);
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    // A copy that is spoilt afterwards, as a reader's buffer is.
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    indexer.push(chunk);
    chunk.fill(0x2a);
    at += size;
  }
  indexer.finish();
  return Array.from({ length: index.length }, (_, i) => {
    const { offset, length } = index.at(i);
    return bytes.toString('utf8', offset, offset + length);
  });
}

const piece = fc.constantFrom(
  '<|endoftext|>',
  '\n',
  '\r\n',
  '\r',
  'word',
  ' ',
  '\u00a0',
  'ü',
  '🌊',
  '<|endoftext',
  '\n<|endoftext|>\n',
);
const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 });

describe('TextIndexer', () => {
  it('finds what splitDocuments finds, however the bytes come', () => {
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), sizes, (pieces, chunks) => {
        const text = pieces.join('');
        expect(documentsIn(Buffer.from(text), chunks)).toEqual(splitDocuments(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('passes over a byte order mark in files of any length', () => {
    expect(documentsIn(Buffer.from('\uFEFF'), [1])).toEqual([]);
    expect(documentsIn(Buffer.from('\uFEFFa'), [1])).toEqual(['a']);
    expect(documentsIn(Buffer.from('\uFEFF<|endoftext|>\nab'), [2])).toEqual(['ab']);
    expect(documentsIn(Buffer.from('ab'), [1])).toEqual(['ab']);
  });

  it('cuts long texts as cutLongText does, however the bytes come', () => {
    const line = fc.record({
      character: fc.constantFrom('a', 'é', '漢', '🌊'),
      count: fc.integer({ min: 1, max: 400_000 }),
      end: fc.constantFrom('\n', '\r\n', ''),
    });
    const chunk = fc.integer({ min: 200_000, max: 3_000_000 });
    fc.assert(
      fc.property(fc.array(line, { minLength: 1, maxLength: 8 }), chunk, (lines, size) => {
        const text = lines
          .map(({ character, count, end }) => character.repeat(count) + end)
          .join('');
        const pieces = documentsIn(Buffer.from(text), [size]);
        expect(pieces).toEqual(cutLongText(text).filter((part) => part.trim() !== ''));
        for (const part of pieces) {
          expect(Buffer.byteLength(part) <= MAX_TEXT_BYTES).toBe(true);
          expect(part.includes('\uFFFD')).toBe(false);
        }
      }),
      { numRuns: 15 },
    );
  });

  it('cuts what is no UTF-8 too', () => {
    const bytes = Buffer.alloc(2 * MAX_TEXT_BYTES + 10, 0x80);
    expect(documentsIn(bytes, [700_000]).join('')).toBe('\uFFFD'.repeat(bytes.length));
  });
});

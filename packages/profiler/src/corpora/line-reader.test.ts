import fc from 'fast-check';
import { expect, it, vi } from 'vitest';
import { LineReader } from './line-reader.js';

/** Lines with their offsets, of a file that comes in chunks of the given sizes in turn. */
function linesOf(bytes: Buffer, sizes: readonly number[]): [number, string][] {
  const lines: [number, string][] = [];
  const reader = new LineReader({
    heldBytes: 1 << 30,
    line: (line, offset) => lines.push([offset, line.toString('latin1')]),
    partial: () => 0,
  });
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const size = sizes[turn % sizes.length] as number;
    const chunk = Buffer.from(bytes.subarray(at, at + size));
    reader.push(chunk);
    chunk.fill(0x2a);
    at += size;
  }
  reader.end();
  return lines;
}

it('cuts the same lines however the bytes come', () => {
  const part = fc.constantFrom('\n', 'a', 'bc', '\xef', '\xbb', '\xef\xbb\xbf', '\r\n');
  const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), sizes, (parts, chunks) => {
      const bytes = Buffer.from(parts.join(''), 'latin1');
      const text = parts.join('');
      let offset = text.startsWith('\xef\xbb\xbf') ? 3 : 0;
      const expected = (text.slice(offset).match(/[^\n]*\n|[^\n]+$/g) ?? []).map((line) => {
        offset += line.length;
        return [offset - line.length, line];
      });
      expect(linesOf(bytes, chunks)).toEqual(expected);
    }),
  );
});

it('copies a long line twice, not once for every chunk', () => {
  const concat = vi.spyOn(Buffer, 'concat');
  const [[, line] = []] = linesOf(Buffer.alloc(1 << 20, 0x61), [1 << 10]);
  expect(line).toHaveLength(1 << 20);
  expect(concat.mock.calls.length).toBeLessThan(5);
  concat.mockRestore();
});

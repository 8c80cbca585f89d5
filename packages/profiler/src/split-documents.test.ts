import { describe, expect, it } from 'vitest';
import { splitDocuments } from './split-documents.js';

describe('splitDocuments', () => {
  it('takes a text without separators as it is', () => {
    expect(splitDocuments(' One line\n\nand another. \n')).toEqual([
      ' One line\n\nand another. \n',
    ]);
  });

  it('cuts at separator lines and keeps the documents as they are', () => {
    const corpus = 'One.\n\nMore.\n<|endoftext|>\nTwo. <|endoftext|> is no line.\n<|endoftext|>\n';
    expect(splitDocuments(corpus)).toEqual(['One.\n\nMore.', 'Two. <|endoftext|> is no line.']);
  });

  it('knows the line ends of Windows, a separator first, and empty documents', () => {
    const corpus =
      '<|endoftext|>\r\nOne.\r\n<|endoftext|>\r\n<|endoftext|>\n\n<|endoftext|>\r\nTwo.';
    expect(splitDocuments(corpus)).toEqual(['One.', 'Two.']);
  });

  it('finds nothing in nothing', () => {
    expect(splitDocuments('')).toEqual([]);
    expect(splitDocuments('\n<|endoftext|>\n')).toEqual([]);
  });
});

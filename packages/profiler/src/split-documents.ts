/** What stands alone on a line between two documents of a corpus. */
export const DOCUMENT_SEPARATOR = '<|endoftext|>';

/**
 * Cuts a corpus into its documents: lines that are exactly `<|endoftext|>` stand between two, and
 * the line breaks around them belong to the separator. A text without such a line is one document,
 * taken as it is. Documents of nothing but white space are left out.
 *
 * @example
 * splitDocuments('One.\n<|endoftext|>\nTwo.\n'); // ['One.', 'Two.\n']
 */
export function splitDocuments(corpus: string): string[] {
  const pieces = corpus.split(/(?:^|\r?\n)<\|endoftext\|>(?=\r?\n|$)/);
  const documents = pieces.map((piece, index) =>
    index === 0 ? piece : piece.replace(/^\r?\n/, ''),
  );
  return documents.filter((document) => document.trim() !== '');
}

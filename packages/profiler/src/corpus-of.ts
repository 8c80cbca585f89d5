import { createHash } from 'node:crypto';
import { tokenHash } from '@thermocline/contracts';
import type { Corpus, CorpusDocument } from './corpus.js';

/** A document at hand: a text, or token ids that are taken as they are. */
export type Content = string | Int32Array;

export interface CorpusOfOptions {
  /** Shuffles the documents of each domain; left out: they come as given. */
  seed?: number;
  /** What the profile calls the source of an unnamed domain; default `memory`. */
  name?: string;
}

/**
 * A corpus of documents that are in memory already: a list, or lists by the name of their domain.
 *
 * @example
 * const corpus = corpusOf({ stories: ['Once upon a time'], ids: [Int32Array.of(5, 6, 7)] });
 */
export function corpusOf(
  contents: readonly Content[] | Readonly<Record<string, readonly Content[]>>,
  options: CorpusOfOptions = {},
): Corpus {
  const { seed, name = 'memory' } = options;
  const domains = isList(contents) ? [['', contents] as const] : Object.entries(contents);
  let documents = 0;
  const ordered = domains.map(([, list], source): CorpusDocument[] => {
    const numbered = list.map((content) => ({ document: documents++, source, content }));
    return seed === undefined ? numbered : shuffle(numbered, seed);
  });
  return {
    domains: domains.map(([domain]) => domain),
    sources: domains.map(([domain, list], index) => ({
      name: domain === '' ? name : domain,
      sha256: hashOf(list),
      domain: index,
    })),
    settings: seed === undefined ? {} : { seed },
    async *documents(domain) {
      yield* ordered[domain] ?? [];
    },
    close: () => Promise.resolve(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function isList(
  contents: readonly Content[] | Readonly<Record<string, readonly Content[]>>,
): contents is readonly Content[] {
  return Array.isArray(contents);
}

/** In the order of a hash of seed and number: the same whatever the other documents are. */
function shuffle(documents: readonly CorpusDocument[], seed: number): CorpusDocument[] {
  const key = ({ document }: CorpusDocument) => tokenHash(seed, document, 0);
  return documents.toSorted((a, b) => key(a) - key(b) || a.document - b.document);
}

// Kind and length go in too, so that other documents of the same bytes have another hash.
function hashOf(contents: readonly Content[]): string {
  const hash = createHash('sha256');
  for (const content of contents) {
    const text = typeof content === 'string';
    const bytes = text
      ? Buffer.from(content)
      : Buffer.from(content.buffer, content.byteOffset, content.byteLength);
    hash.update(`${text ? 'text' : 'ids'} ${bytes.length}\n`).update(bytes);
  }
  return hash.digest('hex');
}

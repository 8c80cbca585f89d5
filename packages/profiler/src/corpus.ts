import type { CorpusSource } from '@thermocline/contracts';

/** One document of a corpus: text to be tokenized, or ids that are taken as they are. */
export interface CorpusDocument {
  /**
   * Number of the document in the corpus: the same in every run over the same files, whatever the
   * seed, and whether or not its neighbours are read.
   */
  document: number;
  /** Index of the file it comes from in `Corpus.sources`. */
  source: number;
  content: string | Int32Array;
}

/** A file of a corpus, hashed. */
export interface CorpusFile extends Omit<CorpusSource, 'tokens'> {
  /** Index in `Corpus.domains`. */
  domain: number;
}

/**
 * Texts to watch a model on. Opened once and read as often as needed; the documents of a domain
 * come in an order that a seed decides, so that any first part of them is a random sample.
 */
export interface Corpus {
  /** Names of the kinds of text, counted apart; a single unnamed one is `''`. */
  readonly domains: readonly string[];
  readonly sources: readonly CorpusFile[];
  /**
   * What decides, beside the bytes of the sources, which documents come in which order: the seed
   * and how files are taken apart. JSON; equal settings over equal sources give equal documents.
   */
  readonly settings: Readonly<Record<string, unknown>>;
  documents(domain: number): AsyncIterable<CorpusDocument>;
  /** Removes what was stored to read the corpus again, such as a copy of stdin. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

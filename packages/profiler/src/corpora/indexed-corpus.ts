import { PipelineError } from '@thermocline/contracts';
import type { Corpus, CorpusDocument, CorpusFile } from '../corpus.js';
import { corpusError, throwIfAborted } from './corpus-error.js';
import type { FoundFile } from './distinct-files.js';
import { seededOrder } from './document-order.js';
import type { IndexedFile } from './index-file.js';
import { MAX_DOCUMENT_IDS } from './index-ids.js';
import { MAX_TEXT_BYTES } from './long-text.js';
import { DocumentReader } from './read-documents.js';
import type { Spool } from './spool.js';

type File = IndexedFile & FoundFile;

interface Settings {
  seed: number;
  textKey: string;
  signal: AbortSignal | undefined;
  spool: Spool;
}

/** A corpus of files whose documents are indexed. */
export class IndexedCorpus implements Corpus {
  readonly sources: readonly CorpusFile[];
  readonly settings: Readonly<Record<string, unknown>>;
  /** Number of the first document of each file. */
  readonly #first: readonly number[];
  #closed = false;

  constructor(
    readonly domains: readonly string[],
    private readonly files: readonly File[],
    private readonly options: Settings,
  ) {
    this.sources = files.map(({ name, sha256, domain }) => ({ name, sha256, domain }));
    this.settings = {
      seed: options.seed,
      formats: files.map(({ format }) => format),
      ...(files.some(({ format }) => format === 'jsonl') && { text_key: options.textKey }),
      max_text_bytes: MAX_TEXT_BYTES,
      max_document_ids: MAX_DOCUMENT_IDS,
    };
    let next = 0;
    this.#first = files.map(({ documents }) => {
      const first = next;
      next += documents.length;
      return first;
    });
    for (const domain of domains.keys()) this.#requireDocuments(domain);
  }

  async *documents(domain: number): AsyncGenerator<CorpusDocument, undefined> {
    const parts = this.#filesOf(domain).map((source) => ({
      sha256: this.files[source]?.sha256 as string,
      first: this.#first[source] as number,
      count: this.files[source]?.documents.length as number,
      continues: (index: number) => this.files[source]?.documents.continues(index) ?? false,
    }));
    const reader = new DocumentReader(this.options.textKey);
    try {
      for (const document of seededOrder(parts, this.options.seed)) {
        throwIfAborted(this.options.signal);
        this.#requireOpen();
        const source = this.#sourceOf(document);
        const place = document - (this.#first[source] as number);
        const content = await reader.read(this.files[source] as File, place);
        yield { document, source, content };
      }
    } finally {
      await reader.close();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.options.spool.remove();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Indices of the files of a domain. */
  #filesOf(domain: number): number[] {
    return [...this.files.keys()].filter((source) => this.files[source]?.domain === domain);
  }

  /** The last file that begins at or before a document; empty files begin where the next does. */
  #sourceOf(document: number): number {
    let low = 0;
    let high = this.#first.length;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if ((this.#first[middle] as number) <= document) low = middle;
      else high = middle;
    }
    return low;
  }

  #requireDocuments(domain: number): void {
    const files = this.#filesOf(domain).map((source) => this.files[source] as File);
    if (files.some(({ documents }) => documents.length > 0)) return;
    const name = this.domains[domain];
    const what = name === '' ? 'the corpus' : `the domain "${name}"`;
    const paths = files.slice(0, 4).map(({ label }) => label);
    const more = files.length > paths.length ? ` and ${files.length - paths.length} more` : '';
    const reason = `${what} is empty: there is nothing but white space in ${paths.join(', ')}${more}`;
    throw corpusError(paths[0] ?? '', reason, { remedy: 'Name files with text in them' });
  }

  #requireOpen(): void {
    if (!this.#closed) return;
    throw new PipelineError('CLOSED', 'The corpus is closed.', { what: 'corpus' });
  }
}

import { type ActivationSource, PipelineError, type TokenWindow } from '@thermocline/contracts';
import type { Corpus, CorpusDocument } from './corpus.js';

/** A window and where it comes from. */
export interface CorpusWindow extends TokenWindow {
  tokens: Int32Array;
  /** Number of the window in the run, over all domains. */
  index: number;
  /** Index in `Corpus.domains`. */
  domain: number;
  /** Index in `Corpus.sources`. */
  source: number;
}

/** What cutting needs of a model. */
export type Tokenizes = Pick<ActivationSource, 'model' | 'tokenize'>;

/** The windows of one domain in the corpus's order, unnumbered. */
export async function* domainWindows(
  source: Tokenizes,
  corpus: Corpus,
  domain: number,
  context: number,
): AsyncGenerator<Omit<CorpusWindow, 'index'>, undefined> {
  for await (const document of corpus.documents(domain)) {
    const tokens = await tokensOf(source, corpus, document);
    for (let position = 0; position < tokens.length; position += context) {
      yield {
        tokens: tokens.subarray(position, position + context),
        document: document.document,
        position,
        domain,
        source: document.source,
      };
    }
  }
}

async function tokensOf(
  source: Tokenizes,
  corpus: Corpus,
  { content, document, source: file }: CorpusDocument,
): Promise<Int32Array> {
  if (typeof content === 'string') return source.tokenize(content, { addSpecial: true });
  const { vocab } = source.model;
  const wrong = content.findIndex((id) => id < 0 || id >= vocab);
  if (wrong < 0) return content;
  const path = corpus.sources[file]?.name ?? '';
  const place = `element ${wrong} of document ${document}`;
  const reason = `the id ${content[wrong]} is outside the vocabulary of ${vocab}`;
  throw new PipelineError(
    'CORPUS_INVALID',
    `${path}, ${place}: ${reason}. Use ids made with this model's tokenizer.`,
    { path, place, reason },
  );
}

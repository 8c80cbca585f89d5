export type { Corpus, CorpusDocument, CorpusFile } from './corpus.js';

import { type Corpus, openCorpus, type parseCorpusInput } from '@thermocline/runtime';
import { callerPath } from './paths.js';
import { startProgress } from './progress.js';

/** How documents are found and ordered. */
interface CorpusFlags {
  seed: number;
  textKey?: string;
}

/** Opens a corpus, which reads through it once, and shows how far that is. */
export async function lookThrough(
  inputs: ReturnType<typeof parseCorpusInput>[],
  { seed, textKey }: CorpusFlags,
  signal: AbortSignal,
): Promise<Corpus> {
  using progress = await startProgress('Looking through the corpus');
  return await openCorpus(inputs, {
    seed,
    cwd: callerPath('.'),
    signal,
    onProgress: (done, total) => progress.update(done, total),
    ...(textKey !== undefined && { textKey }),
  });
}

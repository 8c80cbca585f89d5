import { readBytes } from './read-bytes.js';
import { readTokenIds } from './read-token-ids.js';

/**
 * Reads a whole file that a model is to be measured on: the token ids of an `.npy` file, the text
 * of any other. For corpora that do not fit in memory, see `openCorpus`.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `INVALID_ARGUMENT` when an `.npy` file does
 * not hold ids
 *
 * @example
 * const { perplexity } = await evaluatePerplexity(model, await readCorpus('stories.txt'));
 */
export async function readCorpus(path: string): Promise<string | Int32Array> {
  if (path.endsWith('.npy')) return readTokenIds(path);
  return (await readBytes(path)).toString('utf8');
}

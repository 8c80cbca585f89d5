import { native } from './binding.js';
import { checkPath } from './check-arguments.js';
import { settle } from './native-call.js';
import { NativeTokenizer } from './native-tokenizer.js';

/**
 * Opens the vocabulary of a model without its weights; files that hold nothing but a vocabulary
 * will do.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`,
 * `TOKENIZER_UNSUPPORTED`, `INVALID_ARGUMENT`, `NATIVE_BINARY_MISSING`
 *
 * @example
 * const tokenizer = await openTokenizer(demoModelPath());
 * console.log(await tokenizer.tokenize('Once upon a time'));
 * tokenizer.close();
 */
export async function openTokenizer(path: string): Promise<NativeTokenizer> {
  checkPath(path);
  return new NativeTokenizer(await settle(() => native().openTokenizer(path), { path }));
}

import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What there is to know of the demo model without opening it. */
export const DEMO_MODEL = {
  name: 'Llama-ReGLU-Stories-8M',
  file: 'Llama-ReGLU-Stories-8M-f16.gguf',
  bytes: 16_138_528,
  sha256: '5b255ebcc95f98e1bc0d7408e7e8bda168eb8b71a41850886718607972f3af56',
  parameters: 7_998_720,
  /** One sentence for people. */
  origin: "trained from scratch by this project on children's stories",
} as const;

/**
 * Where the demo model's GGUF file lies on this disk. The file is part of the package, so nothing
 * is downloaded.
 *
 * @example
 * const engine = await openEngine(demoModelPath());
 */
export function demoModelPath(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', 'model', DEMO_MODEL.file);
}

/**
 * Two short texts to watch the model on: stories like those it was trained on, held out from
 * training, and Shakespeare, which it has never seen.
 *
 * @example
 * const inputs = demoTexts().map(({ name, path }) => ({ domain: name, path }));
 */
export function demoTexts(): { name: string; path: string }[] {
  const folder = join(dirname(fileURLToPath(import.meta.url)), '..', 'texts');
  return ['stories', 'shakespeare'].map((name) => ({ name, path: join(folder, `${name}.txt`) }));
}

/**
 * A text to train predictors on: stories that the model itself was trained on, about 130,000 tokens.
 *
 * @example
 * const corpus = await openCorpus([{ path: demoTrainingText() }]);
 */
export function demoTrainingText(): string {
  return join(dirname(fileURLToPath(import.meta.url)), '..', 'texts', 'training.txt');
}

import { PipelineError } from '@thermocline/contracts';
import { type NeuronOrder, RECIPE_VERSION, type Recipe, resolveRecipe } from './recipe.js';

/** A key of a model file with its value as text, as `inspectModel` lists them. */
export interface MetadataText {
  key: string;
  summary: string;
}

const PREFIX = 'thermocline.synthetic';

/** Whether the keys of a model file say that its weights are synthetic. */
export function isSynthetic(metadata: readonly MetadataText[]): boolean {
  return metadata.some(({ key, summary }) => key === PREFIX && summary === 'true');
}

/**
 * What a synthetic file was made of, from its keys.
 *
 * @param path - for messages
 * @throws PipelineError `MODEL_UNSUPPORTED` for other files and for those of another recipe,
 * `INVALID_ARGUMENT` where a key makes no sense
 *
 * @example
 * const { name, ...options } = readRecipe(path, (await inspectModel(path)).metadata);
 */
export function readRecipe(path: string, metadata: readonly MetadataText[]): Recipe {
  const texts = new Map(metadata.map(({ key, summary }) => [key, summary]));
  const text = (key: string) => texts.get(`${PREFIX}.${key}`) ?? '';
  const number = (key: string) => Number(text(key) || Number.NaN);
  if (!isSynthetic(metadata)) throw unsupported(path, 'it is no synthetic model');
  if (number('recipe') !== RECIPE_VERSION) {
    throw unsupported(
      path,
      `it was made by recipe ${text('recipe') || '(none)'}, this release knows ${RECIPE_VERSION}; write it again`,
    );
  }
  return resolveRecipe(text('shape'), {
    seed: number('seed'),
    layers: number('layers'),
    sparsity: number('sparsity'),
    skew: number('skew'),
    rank: number('rank'),
    predictability: number('predictability'),
    // Files of the usual order do not name it.
    order: (text('order') || 'random') as NeuronOrder,
  });
}

function unsupported(path: string, reason: string): PipelineError<'MODEL_UNSUPPORTED'> {
  const message = `${path}: ${reason}.`;
  return new PipelineError('MODEL_UNSUPPORTED', message, { path, reason });
}

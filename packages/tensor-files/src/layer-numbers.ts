import { basename } from 'node:path';
import { damaged, otherModel } from './import-error.js';

const NUMBERS = /\d+/g;

/** A name with its numbers left open: names of one kind have it in common. */
export function namePattern(name: string): string {
  return name.replace(NUMBERS, '#');
}

/**
 * The layer that each of some names of one pattern stands for: the one number in which they
 * differ. Numbers are compared as numbers, so that `activation_10` follows `activation_9`.
 *
 * @param where - what an error names
 * @throws PipelineError `ARTIFACT_CORRUPT` when the names do not tell
 */
function layerNumbers(names: readonly string[], where: string): number[] {
  const numbers = names.map((name) => (name.match(NUMBERS) ?? []).map(Number));
  const [first = []] = numbers;
  const differing = [...first.keys()].filter((place) =>
    numbers.some((list) => list[place] !== first[place]),
  );
  if (first.length === 0) throw damaged(where, `the name "${names[0]}" has no layer number`, HINT);
  if (differing.length > 1) {
    const reason = `which number of "${names[0]}" is the layer? The names differ in several`;
    throw damaged(where, reason, HINT);
  }
  const place = differing[0] ?? first.length - 1;
  return numbers.map((list) => list[place] as number);
}

const HINT = 'Call the layers alike but for their number, such as activation_0, activation_1';

/**
 * Brings one thing a layer into the order of the layers.
 *
 * @param names - file or tensor names
 * @param where - what an error names: a file of several, or `undefined` for files of their own
 * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` when a layer is missing or is none of the
 * model's, `ARTIFACT_CORRUPT` when one is there twice
 */
export function inLayerOrder<T>(
  things: readonly T[],
  names: readonly string[],
  layers: number,
  where?: string,
): T[] {
  const short = names.map((name) => (where === undefined ? basename(name) : name));
  requireOnePattern(short, names, where);
  const numbers = layerNumbers(short, where ?? names[0] ?? '');
  const ordered = new Map<number, number>();
  for (const [index, layer] of numbers.entries()) {
    const called = where ?? names[index] ?? '';
    const other = ordered.get(layer);
    if (other !== undefined) {
      const reason = `"${names[other]}" and "${names[index]}" are both layer ${layer}`;
      throw damaged(called, reason, HINT);
    }
    if (layer >= layers) {
      throw otherModel(called, `layers 0 to ${layers - 1}`, `layer ${layer} ("${short[index]}")`);
    }
    ordered.set(layer, index);
  }
  return Array.from({ length: layers }, (_, layer) => {
    const index = ordered.get(layer);
    if (index !== undefined) return things[index] as T;
    const found = `no layer ${layer} among ${names.length} ("${short[0]}" …)`;
    throw otherModel(where ?? names[0] ?? '', `layers 0 to ${layers - 1}`, found);
  });
}

function requireOnePattern(short: readonly string[], names: readonly string[], where?: string) {
  const pattern = namePattern(short[0] ?? '');
  const other = short.findIndex((name) => namePattern(name) !== pattern);
  if (other < 0) return;
  const reason = `"${short[other]}" is called in another way than "${short[0]}"`;
  throw damaged(where ?? names[other] ?? '', reason, HINT);
}

import { join } from 'node:path';
import type { SamplePass } from './plan-passes.js';
import { damaged, removeSamples, type WorkFolder } from './work-folder.js';

/** What samples are for. */
export const PARTS = ['train', 'heldOut'] as const;
export type Part = (typeof PARTS)[number];

/** How far a pass has come. */
export interface Progress {
  /** Of the pass it belongs to. */
  layers: number[];
  tokens: number;
  complete: boolean;
  /** Σ written. */
  bytes: number;
  parts: Record<Part, { windows: number; rows: number; files: number[] }>;
}

const progressFile = (pass: SamplePass) => join('samples', pass.name, 'collected.json');

/**
 * How far an earlier call came. Samples that were collected to choose widths may be of more layers
 * than then get a predictor. With another size of the cache a pass of the same name may be for more
 * layers or other tokens: its samples go, and it begins anew.
 */
export async function readProgress(folder: WorkFolder, pass: SamplePass): Promise<Progress> {
  const file = progressFile(pass);
  const saved = await folder.readJson(file);
  const empty = () => ({ windows: 0, rows: 0, files: [] as number[] });
  if (saved !== undefined && !isProgress(saved)) {
    throw damaged(join(folder.path, file), 'is not what a trainer writes');
  }
  const { layers, tokens } = pass;
  if (saved?.tokens === tokens && layers.every((layer) => saved.layers.includes(layer))) {
    return saved.complete ? saved : { ...saved, layers };
  }
  if (saved !== undefined) await removeSamples(folder, pass.name);
  const parts = { train: empty(), heldOut: empty() };
  return { layers, tokens, complete: false, bytes: 0, parts };
}

export async function saveProgress(
  folder: WorkFolder,
  pass: SamplePass,
  progress: Progress,
): Promise<void> {
  await folder.writeJson(progressFile(pass), progress);
}

function isProgress(value: unknown): value is Progress {
  const isCount = (number: unknown) => Number.isSafeInteger(number) && (number as number) >= 0;
  const { layers, tokens, complete, bytes, parts } = (value ?? {}) as Partial<Progress>;
  if (typeof complete !== 'boolean' || !isCount(bytes) || !isCount(tokens)) return false;
  if (!Array.isArray(layers) || !layers.every(isCount)) return false;
  return PARTS.every((part) => {
    const { windows, rows, files } = parts?.[part] ?? {};
    return isCount(windows) && isCount(rows) && Array.isArray(files) && files.every(isCount);
  });
}

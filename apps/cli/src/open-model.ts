import type { KvType, Mode } from '@thermocline/contracts';
import { type LoadOptions, loadModel, type Model, parseSize } from '@thermocline/runtime';
import { callerPath } from './paths.js';
import { startProgress } from './progress.js';
import { note } from './terminal.js';

/** The options every command has that loads a model. */
export interface ModelOptions {
  mode?: Mode;
  vram?: string;
  ram?: string;
  threads?: number;
  context?: number;
  kvType?: KvType;
  kernels?: string;
  plan?: string;
}

/** Loads the model that was named, or the demo model, and says what a person should know of it. */
export async function openModel(
  path: string | undefined,
  options: ModelOptions,
  signal?: AbortSignal,
): Promise<Model> {
  using progress = await startProgress('Loading');
  const { vram, ram, threads, context, kvType, kernels, plan } = options;
  const loadOptions: LoadOptions = {
    onProgress: (fraction) => progress.update(fraction, 1),
    ...(vram !== undefined && { vramBudgetBytes: parseSize(vram) }),
    ...(ram !== undefined && { ramBudgetBytes: parseSize(ram) }),
    ...(threads !== undefined && { threads }),
    ...(context !== undefined && { context }),
    ...(kvType !== undefined && { kvType }),
    ...(kernels !== undefined && { kernels }),
    ...(plan !== undefined && { plan: callerPath(plan) }),
    ...(signal !== undefined && { signal }),
  };
  const model = await loadModel(path === undefined ? undefined : callerPath(path), loadOptions);
  for (const notice of model.info.notices) note(`note: ${notice}`);
  return model;
}

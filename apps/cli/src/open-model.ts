import type { KvType, Mode } from '@thermocline/contracts';
import {
  chooseMode,
  formatBytes,
  isLossy,
  type LoadOptions,
  loadModel,
  type ModeCandidate,
  type Model,
} from '@thermocline/runtime';
import { formatRate, formatShare } from './format.js';
import { callerPath } from './paths.js';
import { startProgress } from './progress.js';
import { sizeOption } from './size-option.js';
import { note } from './terminal.js';
import { UsageError } from './usage-error.js';

/** The options every command has that loads a model. */
export interface ModelOptions {
  /** `auto` has become the model's default mode by the time it is open. */
  mode?: Mode | 'auto';
  predictors?: string;
  recall?: number;
  sparsity?: number;
  maxLoss?: number;
  vram?: string;
  ram?: string;
  threads?: number;
  context?: number;
  kvType?: KvType;
  kernels?: string;
  plan?: string;
}

/** The mode a command was asked for; none where the model's own is meant. */
export function askedMode({ mode }: ModelOptions): { mode?: Mode } {
  return mode === undefined || mode === 'auto' ? {} : { mode };
}

/** Loads the model that was named, or the demo model, and says what a person should know of it. */
export async function openModel(
  path: string | undefined,
  options: ModelOptions,
  signal?: AbortSignal,
): Promise<Model> {
  const { mode, maxLoss, recall, sparsity } = options;
  if (mode === 'auto' && (recall ?? sparsity) !== undefined) {
    throw new UsageError(
      '--mode auto chooses where the predictors run too: leave --recall and --sparsity out.',
    );
  }
  if (maxLoss !== undefined && mode !== 'auto') {
    throw new UsageError('--max-loss is the bound of --mode auto: give both.');
  }
  if (
    mode !== undefined &&
    mode !== 'auto' &&
    !isLossy(mode) &&
    (recall ?? sparsity) !== undefined
  ) {
    throw new UsageError(`Mode ${mode} uses no predictors: leave --recall and --sparsity out.`);
  }
  const model = await load(path, options, signal);
  for (const notice of model.info.notices) note(`note: ${notice}`);
  if (model.info.model.synthetic) note('note: synthetic weights: what this model says is noise');
  if (mode !== 'auto') return model;
  try {
    const { candidates, maxLoss: bound } = await chooseMode(model, {
      ...(maxLoss !== undefined && { maxLoss }),
      ...(signal && { signal }),
    });
    const timed = candidates.filter(({ tokensPerSecond }) => tokensPerSecond !== null);
    note(`note: mode auto takes ${model.defaultMode}, of ${timed.map(describe).join('; ')}`);
    for (const candidate of nearestRuledOut(candidates, bound)) {
      const loss = `${formatShare(candidate.loss)} of perplexity`;
      note(`note: ${place(candidate)} loses ${loss}, more than the ${formatShare(bound)} allowed`);
    }
    return model;
  } catch (error) {
    await model.close();
    throw error;
  }
}

/** Of each mode the point that lost least of those that lost too much. */
function nearestRuledOut(candidates: readonly ModeCandidate[], bound: number): ModeCandidate[] {
  const nearest = new Map<Mode, ModeCandidate>();
  for (const candidate of candidates) {
    const { mode, loss } = candidate;
    if (loss > bound && loss < (nearest.get(mode)?.loss ?? Number.POSITIVE_INFINITY)) {
      nearest.set(mode, candidate);
    }
  }
  return [...nearest.values()];
}

function describe({ loss, tokensPerSecond, ...candidate }: ModeCandidate): string {
  const cost = loss > 0 ? `, ${formatShare(loss)} of perplexity` : '';
  return `${place(candidate)}: ${formatRate(tokensPerSecond, 'tokens/s')}${cost}`;
}

/** A mode, and where its predictors run. */
function place({ mode, recall, sparsity }: Pick<ModeCandidate, 'mode' | 'recall' | 'sparsity'>) {
  if (recall !== undefined) return `${mode} at recall ${formatShare(recall)}`;
  if (sparsity !== undefined) return `${mode} at sparsity ${formatShare(sparsity)}`;
  return mode;
}

async function load(
  path: string | undefined,
  options: ModelOptions,
  signal: AbortSignal | undefined,
): Promise<Model> {
  using progress = await startProgress('Loading');
  const { vram, ram, threads, context, kvType, kernels, plan } = options;
  const { predictors, recall, sparsity } = options;
  const loadOptions: LoadOptions = {
    onProgress: (fraction, { bytesPerSecond }) =>
      progress.update(fraction, 1, `${formatBytes(bytesPerSecond)}/s`),
    ...(vram !== undefined && { vramBudgetBytes: sizeOption('--vram', vram) }),
    ...(ram !== undefined && { ramBudgetBytes: sizeOption('--ram', ram) }),
    ...(threads !== undefined && { threads }),
    ...(context !== undefined && { context }),
    ...(kvType !== undefined && { kvType }),
    ...(kernels !== undefined && { kernels }),
    ...(plan !== undefined && { plan: callerPath(plan) }),
    ...(predictors !== undefined && { predictors: callerPath(predictors) }),
    ...(recall !== undefined && { recall }),
    ...(sparsity !== undefined && { sparsity }),
    ...(signal !== undefined && { signal }),
  };
  return await loadModel(path === undefined ? undefined : callerPath(path), loadOptions);
}

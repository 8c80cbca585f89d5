import { totalmem } from 'node:os';
import { type KvType, PipelineError, type PlacementPlan } from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { inspectModel, openEngine } from '@thermocline/engine-native';
import { Model } from './model.js';
import { formatBytes } from './size.js';
import { planBudgets, readPlan, requirePlacedInMemory } from './use-plan.js';

export interface LoadOptions {
  /** Threads that compute; default: the processor's cores. */
  threads?: number;
  /** Context length in tokens; default: what the model file says. */
  context?: number;
  kvType?: KvType;
  /** Kernel set, such as `avx2`; default: the best this processor has. */
  kernels?: string;
  /** Bytes of system memory that may be used; default: no limit. */
  ramBudgetBytes?: number;
  /** Bytes of GPU memory that may be used; default: none. */
  vramBudgetBytes?: number;
  /** Where the neurons live: a plan or its file. Without budgets of your own, its budgets hold. */
  plan?: PlacementPlan | string;
  /** Called with the fraction loaded, 0 to 1. */
  onProgress?: (fraction: number) => void;
  signal?: AbortSignal;
}

/**
 * Loads a model and makes it ready to generate: a GGUF file, a Hugging Face folder, or, when no
 * path is given, the demo model that is installed with Thermocline.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`,
 * `WEIGHT_TYPE_UNSUPPORTED`, `TOKENIZER_UNSUPPORTED`, `OUT_OF_MEMORY` before anything is
 * allocated, `ABORTED`, `NATIVE_BINARY_MISSING`; with a plan also those of `readPlacementPlan`,
 * `ARTIFACT_MODEL_MISMATCH`, `PLAN_BUDGET_MISMATCH`, `PLAN_TIER_MISSING`
 *
 * @example
 * await using model = await loadModel();
 * for await (const { text } of model.generate('Once upon a time')) process.stdout.write(text);
 */
export async function loadModel(path?: string, options: LoadOptions = {}): Promise<Model> {
  const { plan, ...rest } = options;
  if (plan === undefined) return load(path, rest);
  const { fingerprint } = await inspectModel(path ?? demoModelPath());
  const named = await readPlan(plan, fingerprint);
  requirePlacedInMemory(named);
  return load(path, { ...rest, ...planBudgets(named, options), plan: named.plan });
}

async function load(
  path: string | undefined,
  options: Omit<LoadOptions, 'plan'> & { plan?: PlacementPlan },
): Promise<Model> {
  const { vramBudgetBytes = 0, ...engineOptions } = options;
  requireWithinDevice('gpu', vramBudgetBytes, 0);
  requireWithinDevice('cpu', engineOptions.ramBudgetBytes ?? 0, systemMemoryBytes());
  return new Model(await openEngine(path ?? demoModelPath(), engineOptions));
}

/** What this process may use at all: a container's limit counts, not the machine around it. */
function systemMemoryBytes(): number {
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem();
}

function requireWithinDevice(tier: 'gpu' | 'cpu', requestedBytes: number, availableBytes: number) {
  if (requestedBytes <= availableBytes) return;
  const reason =
    tier === 'gpu'
      ? `${formatBytes(requestedBytes)} of GPU memory are asked for, and this release computes on the processor only. Leave the GPU budget out.`
      : `${formatBytes(requestedBytes)} of memory are asked for, and the machine has ${formatBytes(availableBytes)}. Lower the budget.`;
  throw new PipelineError('OUT_OF_MEMORY', reason, {
    tier,
    requestedBytes,
    availableBytes,
    reason,
  });
}

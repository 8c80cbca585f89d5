import { totalmem } from 'node:os';
import {
  type KvType,
  type LoadProgress,
  PipelineError,
  type PlacementPlan,
  type PredictorSet,
} from '@thermocline/contracts';
import { demoModelPath } from '@thermocline/demo-model';
import { inspectModel, openEngine } from '@thermocline/engine-native';
import { Model } from './model.js';
import { formatBytes } from './size.js';
import { planBudgets, readPlan, requirePlacedInMemory } from './use-plan.js';
import { type LoadedPredictors, placePredictors, readPredictors } from './use-predictors.js';

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
  /** What predicts the neurons that fire: a predictor set or its file. Its mode becomes the default. */
  predictors?: PredictorSet | string;
  /** Run the predictors at this value recall rather than the one they were made for. */
  recall?: number;
  /** Or so that they leave out this share of the neurons. */
  sparsity?: number;
  /** Called with the fraction loaded, 0 to 1. */
  onProgress?: (fraction: number, progress: LoadProgress) => void;
  signal?: AbortSignal;
}

/**
 * Loads a model and makes it ready to generate: a GGUF file, a Hugging Face folder, or, when no
 * path is given, the demo model that is installed with Thermocline.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`,
 * `WEIGHT_TYPE_UNSUPPORTED`, `TOKENIZER_UNSUPPORTED`, `OUT_OF_MEMORY` before anything is
 * allocated, `ABORTED`, `NATIVE_BINARY_MISSING`; with a plan also those of `readPlacementPlan`,
 * `ARTIFACT_MODEL_MISMATCH`, `PLAN_BUDGET_MISMATCH`, `PLAN_TIER_MISSING`; with predictors those of
 * `readPredictorSet`, and `INVALID_ARGUMENT` for a recall or sparsity they were not calibrated for
 *
 * @example
 * await using model = await loadModel();
 * for await (const { text } of model.generate('Once upon a time')) process.stdout.write(text);
 */
export async function loadModel(path?: string, options: LoadOptions = {}): Promise<Model> {
  const { plan, predictors, recall, sparsity, ...rest } = options;
  const point = {
    ...(recall !== undefined && { recall }),
    ...(sparsity !== undefined && { sparsity }),
  };
  if (predictors === undefined && (recall ?? sparsity) !== undefined) {
    const reason = 'only predictors have thresholds that could move; load a predictor set as well';
    throw new PipelineError('INVALID_ARGUMENT', `--recall, --sparsity: ${reason}.`, {
      argument: 'recall',
      reason,
    });
  }
  if (plan === undefined && predictors === undefined) return load(path, rest);
  const { fingerprint } = await inspectModel(path ?? demoModelPath());
  const made = predictors === undefined ? null : await readPredictors(predictors, fingerprint);
  const placed = made && placePredictors(made, point);
  if (plan === undefined) return load(path, rest, placed);
  const named = await readPlan(plan, fingerprint);
  requirePlacedInMemory(named);
  return load(path, { ...rest, ...planBudgets(named, options), plan: named.plan }, placed);
}

async function load(
  path: string | undefined,
  options: Omit<LoadOptions, 'plan' | 'predictors'> & { plan?: PlacementPlan },
  predictors: LoadedPredictors | null = null,
): Promise<Model> {
  const { vramBudgetBytes = 0, ...engineOptions } = options;
  requireWithinDevice('gpu', vramBudgetBytes, 0);
  requireWithinDevice('cpu', engineOptions.ramBudgetBytes ?? 0, systemMemoryBytes());
  const engine = await openEngine(path ?? demoModelPath(), {
    ...engineOptions,
    ...(predictors && { predictors: predictors.set }),
  });
  return new Model(engine, predictors);
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

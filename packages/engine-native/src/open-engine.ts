import type { KvType, LoadProgress, PlacementPlan, PredictorSet } from '@thermocline/contracts';
import { native } from './binding.js';
import {
  checkFunction,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkPath,
  checkSignal,
  checkString,
} from './check-arguments.js';
import { checkPlan } from './check-plan.js';
import { checkPredictors } from './check-predictors.js';
import { endWith, throwIfAborted } from './native-call.js';
import { NativeEngine } from './native-engine.js';
import { toPipelineError } from './native-error.js';

export interface OpenEngineOptions {
  /** Threads that compute; default: the processor's cores. */
  threads?: number;
  /** Context length, tokens; default: what the model was made for, which is also the most. */
  context?: number;
  /** Element type of the KV cache; default `f16`. */
  kvType?: KvType;
  /** A kernel set by name, see `hostInfo`; default: the fastest that runs here. */
  kernels?: string;
  /** Memory the engine may use, bytes; default: no budget but what the system has available. */
  ramBudgetBytes?: number;
  /** Where the neurons live; default: in the order of the file. */
  plan?: PlacementPlan;
  /** What chooses the neurons in modes `predicted` and `threshold`; copied. */
  predictors?: PredictorSet;
  /** Hears the share of the weights that has been read, 0 to 1. What it throws ends the opening. */
  onProgress?: (fraction: number, progress: LoadProgress) => void;
  signal?: AbortSignal;
}

/**
 * Opens a model: a GGUF file, or a Hugging Face folder. Every byte is budgeted before the first
 * weight is read. The event loop stays free meanwhile.
 *
 * @throws PipelineError `FILE_NOT_FOUND`, `IO_ERROR`, `MODEL_CORRUPT`, `MODEL_UNSUPPORTED`,
 * `WEIGHT_TYPE_UNSUPPORTED`, `TOKENIZER_UNSUPPORTED`, `OUT_OF_MEMORY` with the numbers,
 * `ARTIFACT_MODEL_MISMATCH` for another model's plan or predictors, `INVALID_ARGUMENT`, `ABORTED`,
 * `NATIVE_BINARY_MISSING`
 *
 * @example
 * const engine = await openEngine(demoModelPath());
 * const session = await engine.createSession();
 * const prompt = await engine.tokenize('Once upon a time', { addSpecial: true });
 * for await (const { text } of session.generate(prompt, { maxTokens: 50 })) {
 *   process.stdout.write(text);
 * }
 * await engine.close();
 */
export async function openEngine(
  path: string,
  options: OpenEngineOptions = {},
): Promise<NativeEngine> {
  checkPath(path);
  const { raw, onProgress, signal } = checkOpenOptions(options);
  throwIfAborted(signal);

  // A listener that throws ends the opening with what it threw, be it null.
  let thrown: { value: unknown } | undefined;
  let id = 0;
  const listener = (bytes: number, totalBytes: number, seconds: number) => {
    if (thrown) return;
    try {
      const bytesPerSecond = seconds > 0 ? bytes / seconds : 0;
      onProgress?.(bytes / totalBytes, { bytes, totalBytes, bytesPerSecond });
    } catch (value) {
      thrown = { value };
      native().cancel(id);
    }
  };
  const binding = native();
  try {
    const call = binding.openEngine(path, raw, onProgress === undefined ? null : listener);
    id = call.id;
    const engine = new NativeEngine(await endWith(signal, id, call.promise));
    if (thrown === undefined) return engine;
    await engine.close();
  } catch (error) {
    if (thrown === undefined) throw toPipelineError(error, { path, signal });
  }
  throw thrown?.value;
}

function checkOpenOptions(options: OpenEngineOptions) {
  checkOptions(options);
  const {
    onProgress,
    threads,
    context,
    kvType = 'f16',
    kernels = 'auto',
    ramBudgetBytes,
    plan,
    predictors,
  } = options;
  if (onProgress !== undefined) checkFunction(onProgress, 'onProgress');
  const raw = {
    threads: threads === undefined ? 0 : checkInteger(threads, 'threads', 1, 1024),
    context: context === undefined ? 0 : checkInteger(context, 'context', 1),
    kvType: checkOneOf(kvType, 'kvType', ['f16', 'f32']),
    kernels: checkString(kernels, 'kernels'),
    ramBudgetBytes:
      ramBudgetBytes === undefined ? 0 : checkInteger(ramBudgetBytes, 'ramBudgetBytes', 1),
    plan: plan === undefined ? [] : checkPlan(plan),
    predictors: predictors === undefined ? null : checkPredictors(predictors),
    planFingerprint: plan === undefined ? '' : checkString(plan.fingerprint, 'plan.fingerprint'),
  };
  return { raw, onProgress, signal: checkSignal(options.signal) };
}

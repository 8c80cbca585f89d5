import type {
  Engine,
  GeneratedChunk,
  GenerateOptions,
  GenerateResult,
  Generation,
  Mode,
  Session,
  TierMemory,
} from '@thermocline/contracts';
import type { NamedLoss } from './use-predictors.js';

/** What a generation made and what it took. */
export interface ModelResult extends GenerateResult {
  /** The ids that were read before the first was made: BOS and template included. */
  promptTokens: Int32Array;
  /** The mode it ran in. */
  mode: Mode;
  /** What the mode is known to lose; `null` where nothing is lost, or nothing was measured. */
  loss: NamedLoss | null;
  /** Memory per tier at the end, its peak included. */
  memory: TierMemory[];
}

/** An async iterable of chunks; `result` resolves at the end even when nobody iterates. */
export interface ModelGeneration extends AsyncIterable<GeneratedChunk> {
  readonly result: Promise<ModelResult>;
}

/** Where and how to generate. */
export interface GenerationPlan {
  session: Session;
  /** The whole prompt, for the result. */
  tokens: Int32Array;
  /** The part of it that the session has not read yet; default: all. */
  unread?: Int32Array;
  options: GenerateOptions & { mode: Mode };
  loss: NamedLoss | null;
  /** Called once at the end, with the result unless it failed. */
  ended?: (result?: GenerateResult) => Promise<void> | void;
}

/** Starts at once; what `prepare` has to wait for is waited for inside. */
export function startGeneration(
  engine: Engine,
  prepare: () => Promise<GenerationPlan>,
): ModelGeneration {
  const started = prepare().then(begin);

  function begin(plan: GenerationPlan) {
    const generation = plan.session.generate(plan.unread ?? plan.tokens, plan.options);
    return { generation, result: finish(generation, plan) };
  }

  async function finish(generation: Generation, plan: GenerationPlan): Promise<ModelResult> {
    let result: GenerateResult | undefined;
    try {
      result = await generation.result;
      const { tokens: promptTokens, options, loss } = plan;
      return { ...result, promptTokens, mode: options.mode, loss, memory: engine.memory() };
    } finally {
      await plan.ended?.(result);
    }
  }

  async function* chunks(): AsyncGenerator<GeneratedChunk, void> {
    yield* (await started).generation;
  }

  const result = started.then(({ result }) => result);
  // Whoever only iterates meets the error there; nobody need ask for the result as well.
  result.catch(() => undefined);
  return { result, [Symbol.asyncIterator]: chunks };
}

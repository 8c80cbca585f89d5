import type { Tier } from './hardware-info.js';
import type { LoadInfo } from './load-info.js';
import type { ModelInfo } from './model-info.js';
import type { PlacementPlan } from './placement-plan.js';
import type { PredictorSet } from './predictor-set.js';

/**
 * How the FFN is computed. `dense`: every neuron, the reference. `exact`: skips only neurons
 * whose activation is exactly zero (ReLU family), lossless. `predicted`: predictors choose the
 * neurons (ReLU family). `threshold`: skips neurons whose gate is small, by a predictor set of
 * gates (SiLU, GELU). The last two need a predictor set and lose something.
 */
export const MODES = ['dense', 'exact', 'predicted', 'threshold'] as const;
export type Mode = (typeof MODES)[number];

/** Element type of the KV cache. */
export type KvType = 'f16' | 'f32';

/** What one tier holds and may hold. */
export interface TierMemory {
  tier: Tier;
  /** Bytes that may be used; `null`: no budget was set. */
  budgetBytes: number | null;
  plannedBytes: number;
  usedBytes: number;
  peakBytes: number;
  /** Used bytes by purpose: `weights`, `kv`, `scratch`, … */
  uses: Record<string, number>;
}

/** An opened engine, described. */
export interface EngineInfo {
  path: string;
  container: 'gguf' | 'huggingface';
  /** The model file's own name for itself, or its file name. */
  name: string;
  model: ModelInfo;
  fingerprint: string;
  /** The mode used when a call names none: `exact` for the ReLU family, else `dense`. */
  defaultMode: Mode;
  /** Those that can be asked for now. */
  modes: Mode[];
  threads: number;
  /** The kernel set in use, such as `avx512-vnni`. */
  kernels: string;
  /** Effective context length, tokens, and the option or file key that set it. */
  context: number;
  contextSource: string;
  kvType: KvType;
  bos: number | null;
  eos: number | null;
  addsBos: boolean;
  /** Jinja source, when the file carries one. */
  chatTemplate: string | null;
  /** Things a person should know, such as weights that were re-coded. */
  notices: string[];
  load: LoadInfo;
}

/** Sampling; the defaults are greedy. */
export interface SamplingOptions {
  /** 0 (default): greedy. */
  temperature?: number;
  /** Keep the k most likely tokens; 0 (default): all. */
  topK?: number;
  /** Keep the smallest set whose probability reaches p; 1 (default): all. */
  topP?: number;
  /** Drop tokens below p × the most likely one's probability; 0 (default): none. */
  minP?: number;
  /** Divides positive and multiplies negative logits of recent tokens; 1 (default): off. */
  repeatPenalty?: number;
  /** How many recent tokens the penalty looks at; 64 by default. */
  repeatWindow?: number;
  /** Same seed, same tokens; default 0. */
  seed?: number;
}

export interface GenerateOptions extends SamplingOptions {
  /** At most this many tokens; default: until the end of text or of the context. */
  maxTokens?: number;
  mode?: Mode;
  /** Generation ends before any of these texts; they are not part of the output. */
  stop?: string[];
  /** Go on past the end-of-text token. */
  ignoreEos?: boolean;
  signal?: AbortSignal;
}

/** Why a generation ended. */
export type FinishReason = 'eos' | 'stop' | 'length' | 'context' | 'aborted';

/** What streams out while generating: whole characters only, possibly none for a token. */
export interface GeneratedChunk {
  /** Token ids new since the last chunk. */
  tokens: number[];
  text: string;
}

/** What a step or generation cost. Bytes are weights and KV read, by tier. */
export interface StepStats {
  tokens: number;
  /** Wall time, ms. */
  timeMs: number;
  bytesRead: Record<Tier, number>;
  /** The part of `bytesRead` that is FFN weights. */
  ffnBytesRead: Record<Tier, number>;
  /** The part of `timeMs` in which those were read. */
  ffnMs: number;
  /** Neuron firings counted, and neurons × tokens, per layer. */
  fired: number[];
  neurons: number[];
  /** Neurons chosen to be computed, summed over tokens, per layer: all of them but in lossy modes. */
  computed: number[];
  /** The predictors' part of `bytesRead` and of `timeMs`, per layer. */
  predictorBytes: number[];
  predictorMs: number[];
}

/**
 * How predictions compare with what fires, from the very hidden states that a sparse model has.
 * Sums over tokens, per layer.
 */
export interface PredictionAudit {
  tokens: number;
  firing: number[];
  predicted: number[];
  /** Predicted and firing. */
  hits: number[];
  /** Σ |h|·‖down column‖ over what fires, and over the hits. */
  firingValue: number[];
  hitValue: number[];
}

export interface GenerateResult {
  finishReason: FinishReason;
  /** Generated ids, end of text left out. */
  tokens: number[];
  text: string;
  prefill: StepStats;
  decode: StepStats;
  /** Arrival of each generated token, ms since the call. */
  tokenTimesMs: number[];
}

/** An async iterable of chunks; `result` resolves at the end even when nobody iterates. */
export interface Generation extends AsyncIterable<GeneratedChunk> {
  readonly result: Promise<GenerateResult>;
}

export interface EvaluateOptions {
  mode?: Mode;
  /** At which of the given tokens logits are wanted; default `last`. */
  logits?: 'none' | 'last' | 'all' | readonly number[];
  /** Also compute what truly fires, and compare; the logits stay the same. */
  audit?: boolean;
  signal?: AbortSignal;
}

export interface Evaluation {
  /** [positions wanted][vocab] */
  logits: Float32Array[];
  stats: StepStats;
  /** When asked for. */
  audit?: PredictionAudit;
}

/** One timeline with its KV cache. Calls on one session are carried out in order. */
export interface Session {
  /** Tokens in the KV cache. */
  readonly length: number;
  /** The tokens in the KV cache. */
  tokens(): Int32Array;
  /**
   * Appends tokens and returns logits where wanted.
   * @throws PipelineError `CONTEXT_OVERFLOW` before anything is computed
   */
  evaluate(tokens: ArrayLike<number>, options?: EvaluateOptions): Promise<Evaluation>;
  /** Appends the prompt's tokens, then generates; generated tokens join the timeline. */
  generate(prompt: ArrayLike<number>, options?: GenerateOptions): Generation;
  /** Forgets every token from `length` on. */
  truncate(length: number): Promise<void>;
  /** A new session with the same timeline; the two then go their own ways. */
  fork(): Promise<Session>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface SessionOptions {
  /** At most the engine's context. */
  context?: number;
  kvType?: KvType;
}

/** One row of a batched step. */
export interface StepItem {
  session: Session;
  tokens: ArrayLike<number>;
  logits?: 'none' | 'last' | 'all' | readonly number[];
}

export interface TokenizeOptions {
  /** Add BOS and EOS as the model asks for; default false. */
  addSpecial?: boolean;
  /** Read control-token texts in the input as control tokens; default false. */
  parseSpecial?: boolean;
}

/** Loaded weights plus placement. */
export interface Engine {
  readonly info: EngineInfo;
  tokenize(text: string, options?: TokenizeOptions): Promise<Int32Array>;
  /** Bytes of all tokens joined, malformed UTF-8 as U+FFFD. Control tokens only if `special`. */
  detokenize(tokens: ArrayLike<number>, options?: { special?: boolean }): Promise<string>;
  /** The token as the vocabulary spells it. */
  tokenText(token: number): string;
  createSession(options?: SessionOptions): Promise<Session>;
  /** Several sessions in one pass over the weights; each row as if it were alone. */
  step(
    items: readonly StepItem[],
    options?: { mode?: Mode; audit?: boolean; signal?: AbortSignal },
  ): Promise<Evaluation[]>;
  /** Re-lays the neurons between tokens; sessions keep their timelines. */
  setPlan(plan: PlacementPlan | null): Promise<void>;
  /** Takes other predictors between tokens, and with them the modes that need them; `null`: none. */
  setPredictors(predictors: PredictorSet | null): Promise<void>;
  memory(): TierMemory[];
  /** Ends running work, closes the sessions, frees the weights. Safe at any moment, and twice. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

import type { KvType, LoadInfo, Mode } from '@thermocline/contracts';
import type { Vocabulary } from './tokens.js';

/**
 * How tokens are chosen while decoding. `forced`: given ones, so that all engines do the same work
 * whatever the model would say. `greedy`: the model's own, in the engine's own loop.
 */
export const DECODES = ['forced', 'greedy'] as const;
export type Decode = (typeof DECODES)[number];

/** What one process is asked to do and to time. */
export interface Workload {
  /** Path of the model. */
  model: string;
  vocabulary: Vocabulary;
  mode: Mode;
  /** `null` where the engine does not let itself be told. */
  threads: number | null;
  /** Sequences that decode together. */
  batch: number;
  /** Tokens in each sequence's KV cache before it decodes. */
  context: number;
  /** Tokens of the prompt whose prefill is timed; 0: none. */
  promptTokens: number;
  /** Tokens each sequence decodes; 0: none. */
  generate: number;
  decode: Decode;
  kvType: KvType;
  seed: number;
  /** Short work is repeated for at least this long, ms. */
  leastMs: number;
  predictors?: string;
  recall?: number;
  sparsity?: number;
  kernels?: string;
  plan?: string;
}

/** What was measured in one process. Times of repeats stand in the order they were taken. */
export interface Measurement {
  /** Version and settings of the engine. */
  about: string;
  loadMs: number | null;
  /** How the weights were read, where the engine tells. */
  load: LoadInfo | null;
  prefillTokensPerSecond: number[];
  /** From the prompt to the first token or its logits. */
  firstTokenMs: number[];
  /** All sequences together. */
  decodeTokensPerSecond: number[];
  /** Of all steps of all repeats; a step is one token of every sequence. */
  stepMs: { p50: number; p99: number } | null;
  /** What the engine itself says of its decode, without sampling and the way to the caller. */
  innerDecodeTokensPerSecond: number[];
  /** Highest resident memory of the process. */
  peakMemoryBytes: number | null;
  bytesPerToken: { total: number; ffn: number; predictors: number } | null;
  /** Share of the FFN neurons that were computed. */
  computedShare: number | null;
  /** What decode reads of the FFN's weights, over the time of just that. */
  ffnBytesPerSecond: number | null;
  besideReading: BesideReading | null;
}

/** Decode and plain reading of memory in turn, medians over the steps. */
export interface BesideReading {
  /** What plain reading moved. */
  bytesPerSecond: number;
  /** What decode read, over what plain reading moved just before and after. */
  share: number;
  /** The same of the FFN's bytes and time; null where the engine tells neither. */
  ffnShare: number | null;
}

/** Positions that a session must hold. */
export function neededContext(work: Pick<Workload, 'promptTokens' | 'context' | 'generate'>) {
  const decoding = work.generate > 0 ? Math.max(1, work.context) + work.generate : 0;
  return Math.max(1, work.promptTokens, decoding);
}

import type { ShardOfRun } from './parse-shard.js';

export interface CheckpointOptions {
  /** File the progress is kept in; one for each shard. */
  path: string;
  /** How often it is written, ms; default 10,000, for profiles that take long to write 25,000. */
  everyMs?: number;
  /** Drop progress that is there and begin again. */
  restart?: boolean;
}

export interface ProfileOptions {
  /** Tokens to read, over all domains and shards; default: the whole corpus. */
  tokens?: number;
  /** Longest window, tokens; default 512, at most the model's context. */
  context?: number;
  /** Read only the windows i ≡ index mod count. */
  shard?: ShardOfRun;
  /** Also keep which neurons fire together: 64 bytes a neuron; default true. */
  coactivation?: boolean;
  /**
   * For models whose activations are never exactly zero: the share of them that is not to count
   * as firing, by layer; default 0.5. The thresholds are calibrated on the first windows.
   */
  sparsity?: number;
  /** Use these thresholds instead, such as those of another shard's profile. [layers] */
  thresholds?: readonly number[];
  /** Keep progress in a file, so that a run that was killed goes on where it was. */
  checkpoint?: CheckpointOptions;
  /**
   * Called after every few seconds of work with the tokens read and, where there is a budget, how
   * many this shard will read.
   */
  onProgress?(done: number, total: number | undefined, phase: Phase): void;
  /** Called with what a person should know, as a sentence. */
  onNotice?(notice: string): void;
  signal?: AbortSignal;
}

/** `calibrate`: choosing thresholds; `count`: counting firings. */
export type Phase = 'calibrate' | 'count';

import type { ModelInfo } from './model-info.js';

/** What can be watched while a model reads. Shapes are per token. */
export const STREAMS = ['residual', 'ffn-input', 'activation', 'attention'] as const;
/**
 * `residual` [d_model] before attention · `ffn-input` [d_model] after the norm ·
 * `activation` h [n_ff] by neuron id · `attention` [heads × head_dim] per-head output.
 */
export type Stream = (typeof STREAMS)[number];

/** A piece of a document to read from an empty context. */
export interface TokenWindow {
  tokens: ArrayLike<number>;
  /** Index of the document it was cut from. */
  document: number;
  /** Position of its first token in that document. */
  position: number;
}

export interface ObserveOptions {
  /** Layers to watch; default all. */
  layers?: readonly number[];
  streams: readonly Stream[];
  /** Rows buffered ahead of the reader before the source waits; default 4,096. */
  maxBufferedRows?: number;
  signal?: AbortSignal;
}

/** Rows of one stream of one layer, in reading order. */
export interface ObservationBatch {
  layer: number;
  stream: Stream;
  /** Values per row. */
  width: number;
  /** [rows × width] */
  values: Float32Array;
  /** [rows] */
  documents: Uint32Array;
  /** [rows] */
  positions: Uint32Array;
}

/** Sums over many tokens, made where the activations are. Arrays are [layers][n_ff], by neuron id. */
export interface ActivationSums {
  tokens: number[];
  fires: BigInt64Array[];
  absSum: Float64Array[];
}

/** Anything that can read tokens and show what its neurons did: an engine, or someone else's model. */
export interface ActivationSource {
  readonly model: ModelInfo;
  readonly fingerprint: string;
  tokenize(text: string): Promise<Int32Array>;
  /** Batches arrive as they are read; not reading them makes the source wait. */
  observe(
    windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
    options: ObserveOptions,
  ): AsyncIterable<ObservationBatch>;
  /** Counts firings and sums |h| without handing out single rows. */
  sum(
    windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
    options?: { signal?: AbortSignal },
  ): Promise<ActivationSums>;
}

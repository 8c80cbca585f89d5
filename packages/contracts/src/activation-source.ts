import type { TokenizeOptions } from './engine.js';
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

export interface SumOptions {
  /**
   * A neuron of layer l fires where |h| > thresholds[l]; left out: where h ≠ 0. For models whose
   * activations are never exactly zero. [layers]
   */
  thresholds?: readonly number[];
  /** Also make co-activation sketches; `salt` is that of `tokenHash`. */
  sketch?: { salt: number };
  signal?: AbortSignal;
}

/** Sums over many tokens, made where the activations are. Arrays are [layers], by neuron id inside. */
export interface ActivationSums {
  /** [layers] */
  tokens: number[];
  /** [layers][n_ff] */
  fires: BigInt64Array[];
  /** Σ |h|, whether or not it fired. [layers][n_ff] */
  absSum: Float64Array[];
  /** Σ |h| · ‖down column‖. Left out by sources that do not know their weights. [layers][n_ff] */
  contribution?: Float64Array[];
  /** How many |h| fell in each bin, as `LayerActivations.magnitudes`. [layers][MAGNITUDE_BINS] */
  magnitudes?: BigInt64Array[];
  /** The smallest token hashes of each neuron, when asked for. [layers][n_ff × SKETCH_HASHES] */
  coactivation?: Uint32Array[];
}

/** Anything that can read tokens and show what its neurons did: an engine, or someone else's model. */
export interface ActivationSource {
  readonly model: ModelInfo;
  readonly fingerprint: string;
  tokenize(text: string, options?: TokenizeOptions): Promise<Int32Array>;
  /** Batches arrive as they are read; not reading them makes the source wait. */
  observe(
    windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
    options: ObserveOptions,
  ): AsyncIterable<ObservationBatch>;
  /** Counts firings and sums |h| without handing out single rows. */
  sum(
    windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
    options?: SumOptions,
  ): Promise<ActivationSums>;
}

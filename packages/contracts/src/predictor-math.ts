import type { LayerPredictor, PredictorKind } from './predictor-layer.js';
import type { PredictorType } from './predictor-matrix.js';

/** The first FFN matrix of a layer, which decides what fires: the gate, or up where there is none. */
export interface FirstMatrix {
  /** [n_ff × d_model] */
  weights: Float32Array;
  /** [n_ff] */
  bias?: Float32Array;
}

/** A source that can show its weights, which the training-free predictors are made of. */
export interface FfnWeights {
  /** @throws PipelineError `INVALID_ARGUMENT`, `MODEL_UNSUPPORTED`, `OUT_OF_MEMORY` */
  readFirstMatrix(layer: number, options?: { signal?: AbortSignal }): Promise<FirstMatrix>;
}

/** Samples of one layer on disk (see docs/formats/samples.md), and what their neurons weigh. */
export interface SampleSet {
  /** Files of hidden states and what fired, read in this order. */
  files: readonly string[];
  /** ‖down column‖ of every neuron: with |h|, the value of a firing. [n_ff] */
  norms: Float32Array;
}

export interface FitOptions {
  kind: Exclude<PredictorKind, 'none'>;
  /** Of the low-rank kinds; a multiple of 32. */
  rank?: number;
  /** Element type of the result's matrices; default `Q8_0`. */
  type?: PredictorType;
  /** Needed by all kinds but `trained`, which starts better with them. */
  first?: FirstMatrix;
  /** The model's activation function, for kind `gate`. */
  activation?: string;
  /** Passes over the samples; kind `trained`. */
  epochs?: number;
  /** Order of the samples, and where training starts without weights; default 0. */
  seed?: number;
  signal?: AbortSignal;
  /** Hears the share done, 0 to 1, and the loss of the last pass where there is one. */
  onProgress?: (fraction: number, loss: number | null) => void;
}

/** A predictor that was fitted, before its common threshold is chosen. */
export interface LayerFit {
  /** Its threshold is per neuron, or 0: scores are comparable within the layer once it is taken off. */
  predictor: LayerPredictor;
  /** Of trained ones: held-out loss after each pass, and which was kept; -1: what it started from. */
  history?: { heldOutLoss: number[]; best: number };
  /**
   * Of kind `gate`: what a unit of each neuron's score is worth on average, Σ|h|·norm over Σ|act|.
   * Thresholds t / scales treat neurons of equal expected value alike. [n_ff]
   */
  scales?: Float32Array;
}

/** What lies above each of a row of common thresholds, on held-out samples. */
export interface ScoreCurve {
  tokens: number;
  /** Σ firing neurons, and Σ their value. */
  firing: number;
  firingValue: number;
  /** Added to the predictor's own thresholds. Ascending. [points] */
  shifts: Float32Array;
  /** Σ neurons above the threshold. [points] */
  predicted: Float64Array;
  /** Those of them that fire, and their value. [points] */
  hits: Float64Array;
  hitValue: Float64Array;
}

/**
 * The arithmetic of predictors, for whoever trains them: the native engine has it in C++. One
 * object may be used by one caller at a time.
 */
export interface PredictorMath {
  /**
   * Fits a predictor of one layer to samples; `heldOut` decides when training stops.
   * @throws PipelineError `ARTIFACT_CORRUPT`, `INVALID_ARGUMENT`, `OUT_OF_MEMORY`, `ABORTED`
   */
  fit(train: SampleSet, heldOut: SampleSet, options: FitOptions): Promise<LayerFit>;
  /**
   * Scores samples as the engine would, quantised weights included. `first` and `activation` are
   * needed for kind `gate`.
   * @throws PipelineError the same
   */
  score(
    samples: SampleSet,
    predictor: LayerPredictor,
    options?: {
      first?: FirstMatrix;
      activation?: string;
      /** What the scores are multiplied by before thresholds are taken off. [n_ff] */
      scales?: Float32Array;
      /** At most this many points; default 512. */
      points?: number;
      signal?: AbortSignal;
    },
  ): Promise<ScoreCurve>;
  close(): Promise<void>;
}

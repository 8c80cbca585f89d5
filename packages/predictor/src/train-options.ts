import type {
  CorpusSource,
  FfnWeights,
  LayerPredictor,
  PredictorKind,
  PredictorMath,
  PredictorType,
  TokenWindow,
} from '@thermocline/contracts';

export interface TrainingFolder {
  /** Folder for samples and finished layers; made when missing. */
  path: string;
  /** Drop what is there and begin again. */
  restart?: boolean;
  /** Leave the samples when they are not needed any more, for another trainer. */
  keepSamples?: boolean;
}

/** What all predictors of a model together may take. */
export type PredictorBudget =
  /** Of the weights of the model; weights are counted, not bytes. */
  { share: number } | { bytes: number };

/** `collect`: watching the model read; `size`: choosing widths. */
export type TrainPhase = 'collect' | 'size' | 'train' | 'calibrate';

export interface TrainProgress {
  phase: TrainPhase;
  /** Share of this phase that is done, 0 to 1. */
  fraction: number;
  /** The layer at hand, where there is one. */
  layer?: number;
  /** Of the last pass over the samples, while a layer is trained. */
  loss?: number;
}

/** Why a layer has the predictor it has. */
export interface WidthChoice {
  layer: number;
  kind: PredictorKind;
  /** Of the low-rank kinds. */
  rank?: number;
  /** One sentence. */
  reason: string;
  /** Bytes of FFN weights and predictor that a token is expected to read, and without a predictor. */
  bytesPerToken?: number;
  bytesWithout?: number;
}

/** A layer that is ready, before thresholds are common. */
export interface TrainedLayer extends WidthChoice {
  predictor: LayerPredictor;
  /** Held-out loss after each pass over the samples; kind `trained`. */
  history?: { heldOutLoss: number[]; best: number };
  /** It was there from an earlier call. */
  resumed: boolean;
}

type Windows = Iterable<TokenWindow> | AsyncIterable<TokenWindow>;

export interface TrainOptions {
  /** The arithmetic, such as `openPredictorMath()` of the native engine. */
  math: PredictorMath;
  /** The model's weights. Needed by all kinds but `trained`, which does better with them. */
  weights?: FfnWeights;
  /** What to read, in an order that mixes it well; may be called more than once and gives the same each time. */
  windows(): Windows;
  /** Text that is not trained on; default: every eighth of `windows`. */
  heldOutWindows?(): Windows;
  /** Names and hashes of the texts, to be kept in the set and to recognise saved progress. */
  corpora?: readonly CorpusSource[];
  /** What else decides the windows, such as their length; kept and compared likewise. */
  reading?: Readonly<Record<string, unknown>>;
  /** Tokens to read; default 131,072. */
  tokens?: number;

  /** What predicts; default `trained`, and `gate`, the only one there, for models without exact zeros. */
  kind?: Exclude<PredictorKind, 'none'>;
  /** Let each layer's predictor read the layer before, which leaves time to fetch weights. */
  lookahead?: boolean;
  /** The value recall that thresholds are set for, all layers pooled; default 0.985. */
  recall?: number;
  /** Kind `gate`: the share of neurons to leave out instead; the default of models without exact zeros, 0.5. */
  sparsity?: number;
  /** Neurons predicted for each that fires, at most, where the budget allows; default 1.3. */
  overPrediction?: number;
  /** Default: 15 % of the weights, of models with a billion or more 6 %. */
  budget?: PredictorBudget;
  /** Predict every layer, also where that does not pay. */
  everyLayer?: boolean;
  /** Use these ranks, multiples of 32; 0: no predictor. [layers] */
  widths?: readonly number[];
  /** Element type of weights in the set; default `Q8_0`. */
  type?: PredictorType;
  /** Passes over the samples, at most; kind `trained`. */
  epochs?: number;
  /** Default 0. */
  seed?: number;

  /** Most that samples may take on disk, bytes; default 8 GiB. */
  cacheBytes?: number;
  /** Keep progress, so that a run that was killed goes on; default: a temporary folder. */
  checkpoint?: TrainingFolder;
  onProgress?(progress: TrainProgress): void;
  /** Called when a layer is ready, in their order. */
  onLayer?(layer: TrainedLayer): void;
  /** Called with what a person should know, as a sentence. */
  onNotice?(notice: string): void;
  signal?: AbortSignal;
}

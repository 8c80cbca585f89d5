import { createRequire } from 'node:module';
import type {
  ActivationSums,
  EngineInfo,
  Evaluation,
  GenerateResult,
  KvType,
  LayerPredictor,
  Mode,
  ObservationBatch,
  PredictorType,
  ScoreCurve,
  StepStats,
  Stream,
  TierInfo,
  TierMemory,
} from '@thermocline/contracts';
import { PipelineError } from '@thermocline/contracts';
import type { KernelBenchInfo, KernelBenchOptions, KernelPass } from './kernel-bench.js';
import type { GpuInfo } from './list-gpus.js';
import { tryInChildProcess } from './try-binary.js';

declare const kind: unique symbol;
/** An object of the addon that stands for something of the core. */
interface Handle<Kind extends string> {
  readonly [kind]: Kind;
}
export type EngineHandle = Handle<'engine'>;
export type SessionHandle = Handle<'session'>;
export type TokenizerHandle = Handle<'tokenizer'>;
export type ObservationHandle = Handle<'observation'>;
type SumHandle = Handle<'sum'>;
export type MathHandle = Handle<'math'>;
export type KernelProbeHandle = Handle<'kernel-probe'>;

/** A call in flight. `cancel(id)` ends it early; nothing happens when it has ended. */
export interface NativeCall<T> {
  id: number;
  promise: Promise<T>;
}

interface RawEngineOptions {
  threads: number;
  context: number;
  kvType: KvType;
  kernels: string;
  ramBudgetBytes: number;
  /** No layers: neurons in the file's order. */
  plan: RawPlan;
  planFingerprint: string;
  predictors: RawPredictors | null;
}

/** By layer: the order of neurons, and where the tiers end. */
export type RawPlan = [order: Uint32Array, gpuEnd: number, cpuEnd: number][];

export interface RawPredictors {
  fingerprint: string;
  layers: LayerPredictor[];
}

interface RawModel {
  arch: string;
  name: string;
  layers: number;
  dModel: number;
  nFf: number[];
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  context: number;
  contextSource: string;
  activation: string;
  activationSource: string;
  experts: number;
  synthetic: boolean;
}

export interface RawEngineInfo extends Omit<EngineInfo, 'model'> {
  model: RawModel;
  gated: boolean;
  tied: boolean;
  weightTypes: Record<string, string>;
}

export interface RawGenerateOptions {
  temperature: number;
  topK: number;
  topP: number;
  minP: number;
  repeatPenalty: number;
  repeatWindow: number;
  seed: number;
  maxTokens: number;
  mode: Mode;
  stop: string[];
  ignoreEos: boolean;
  /** The signal had fired before the call. */
  aborted: boolean;
}

interface RawGenerateResult extends Omit<GenerateResult, 'tokens'> {
  tokens: Int32Array;
  prefill: StepStats;
}

export interface RawTokenizerInfo {
  kind: 'bpe' | 'sentencepiece';
  preTokenizer: string | null;
  vocab: number;
  addsBos: boolean;
  addsEos: boolean;
  bos: number | null;
  eos: number | null;
  chatTemplate: string | null;
}

export interface RawInspection {
  container: 'gguf' | 'huggingface';
  paths: string[];
  metadata: { key: string; type: string; summary: string }[];
  tensors: { name: string; type: string; readable: boolean; shape: number[]; bytes: number }[];
  model: RawModel | null;
  modelProblem: string | null;
  vocabulary: {
    kind: 'bpe' | 'sentencepiece';
    preTokenizer: string | null;
    tokens: number;
    bos: number | null;
    eos: number | null;
  } | null;
  vocabularyProblem: string | null;
  fingerprint: string;
}

interface RawHostInfo {
  cpuModel: string;
  cores: number;
  threads: number;
  features: string[];
  kernels: {
    name: string;
    supported: boolean;
    needs: string;
    trade: string | null;
    chosen: boolean;
  }[];
  availableBytes: number;
}

/** What was measured of a tier, as its part of a `TierInfo`. */
type RawRates = Pick<TierInfo, 'sequentialBytesPerSecond' | 'random' | 'syncSeconds' | 'hugePages'>;

interface RawGpuRates {
  gpu: GpuInfo;
  sequentialBytesPerSecond: number;
  linkBytesPerSecond: number;
  syncSeconds: number;
}

export interface RawSamples {
  files: string[];
  norms: Float32Array;
}

export interface RawFirstMatrix {
  weights: Float32Array;
  bias: Float32Array | null;
}

interface RawFitOptions {
  kind: Exclude<LayerPredictor['kind'], 'none'>;
  /** 0 for kinds without. */
  rank: number;
  type: PredictorType;
  first: RawFirstMatrix | null;
  activation: string | null;
  epochs: number;
  seed: number;
}

interface RawFit {
  predictor: LayerPredictor;
  scales: Float32Array | null;
  heldOutLoss: number[];
  best: number;
}

/** The functions of the addon, as native/addon exports them. */
export interface NativeBinding {
  cancel(id: number): void;

  openEngine(
    path: string,
    options: RawEngineOptions,
    onProgress: ((bytes: number, totalBytes: number, seconds: number) => void) | null,
  ): NativeCall<EngineHandle>;
  engineInfo(engine: EngineHandle): RawEngineInfo;
  engineMemory(engine: EngineHandle): TierMemory[];
  createSession(
    engine: EngineHandle,
    context: number,
    kvType: KvType | null,
  ): NativeCall<SessionHandle>;
  setPlan(engine: EngineHandle, plan: RawPlan): NativeCall<void>;
  setPredictors(engine: EngineHandle, predictors: RawPredictors | null): NativeCall<void>;
  closeEngine(engine: EngineHandle): NativeCall<void>;

  step(
    engine: EngineHandle,
    items: [session: SessionHandle, tokens: Int32Array, logits: Int32Array][],
    mode: Mode,
    audit: boolean,
  ): NativeCall<Evaluation[]>;
  generate(
    session: SessionHandle,
    prompt: Int32Array,
    options: RawGenerateOptions,
    onChunk: (tokens: Int32Array, text: string) => void,
  ): NativeCall<RawGenerateResult>;
  truncate(session: SessionHandle, length: number): NativeCall<void>;
  fork(session: SessionHandle): NativeCall<SessionHandle>;
  closeSession(session: SessionHandle): NativeCall<void>;
  sessionLength(session: SessionHandle): number;
  sessionTokens(session: SessionHandle): Int32Array;

  startObservation(layers: Int32Array, streams: Stream[], maxRows: number): ObservationHandle;
  observeWindow(
    observation: ObservationHandle,
    reader: SessionHandle,
    tokens: Int32Array,
    document: number,
    position: number,
  ): NativeCall<void>;
  nextObservation(observation: ObservationHandle): NativeCall<ObservationBatch | null>;
  finishObservation(observation: ObservationHandle): void;
  cancelObservation(observation: ObservationHandle): void;
  startSum(engine: EngineHandle, thresholds: Float64Array, salt: number | null): SumHandle;
  sumWindow(
    sum: SumHandle,
    reader: SessionHandle,
    tokens: Int32Array,
    document: number,
    position: number,
  ): NativeCall<void>;
  sumResult(sum: SumHandle): NativeCall<ActivationSums>;

  openMath(threads: number): MathHandle;
  closeMath(math: MathHandle): void;
  fitPredictor(
    math: MathHandle,
    train: RawSamples,
    heldOut: string[],
    options: RawFitOptions,
    onProgress: (fraction: number, loss: number | null) => void,
  ): NativeCall<RawFit>;
  scorePredictor(
    math: MathHandle,
    samples: RawSamples,
    predictor: LayerPredictor,
    options: {
      first: RawFirstMatrix | null;
      activation: string | null;
      scales: Float32Array | null;
      points: number;
    },
  ): NativeCall<ScoreCurve>;
  readFirstMatrix(engine: EngineHandle, layer: number): NativeCall<RawFirstMatrix>;

  openTokenizer(path: string): NativeCall<TokenizerHandle>;
  engineTokenizer(engine: EngineHandle): TokenizerHandle;
  tokenizerInfo(tokenizer: TokenizerHandle): RawTokenizerInfo;
  tokenize(
    tokenizer: TokenizerHandle,
    text: string,
    addSpecial: boolean,
    parseSpecial: boolean,
  ): NativeCall<Int32Array>;
  detokenize(tokenizer: TokenizerHandle, tokens: Int32Array, special: boolean): NativeCall<string>;
  tokenText(tokenizer: TokenizerHandle, token: number): string | null;

  inspectFile(path: string): NativeCall<RawInspection>;
  hostInfo(): RawHostInfo;
  probeMemory(
    threads: number,
    bytes: number,
    onProgress: (fraction: number) => void,
  ): NativeCall<RawRates>;
  probeDrive(
    folder: string,
    bytes: number,
    onProgress: (fraction: number) => void,
  ): NativeCall<RawRates>;
  probeGpu(cpuDevices: boolean, onProgress: (fraction: number) => void): NativeCall<RawGpuRates>;
  listGpus(): NativeCall<GpuInfo[]>;
  listKernelProbes(): KernelBenchInfo[];
  openKernelProbe(options: Required<KernelBenchOptions>): NativeCall<KernelProbeHandle>;
  runKernelProbe(probe: KernelProbeHandle): NativeCall<KernelPass>;
  closeKernelProbe(probe: KernelProbeHandle): void;
}

/** Names a binary to load instead of the platform package's, such as one with sanitizers. */
const BINARY_VARIABLE = 'THERMOCLINE_NATIVE_BINARY';

/** The addon and the file it came from. */
export interface LoadedBinary {
  binding: NativeBinding;
  path: string;
}

const require = createRequire(import.meta.url);
let loaded: LoadedBinary | undefined;

/**
 * The addon, loaded at first use.
 *
 * @throws PipelineError `NATIVE_BINARY_MISSING` naming what was looked for and the way out
 */
export function native(): NativeBinding {
  return loadBinary().binding;
}

/** The same, with the path of the file. */
export function loadBinary(): LoadedBinary {
  loaded ??= findAndLoad();
  return loaded;
}

function findAndLoad(): LoadedBinary {
  const platform = `${process.platform}-${process.arch}${process.platform === 'linux' ? '-gnu' : ''}`;
  const named = process.env[BINARY_VARIABLE];
  const wanted = named ?? `@thermocline/engine-native-${platform}`;
  let path = named;
  try {
    path ??= require.resolve(wanted);
    tryInChildProcess(path);
    return { binding: require(path) as NativeBinding, path };
  } catch (error) {
    const reason = (error as Error).message.split('\n', 1)[0] ?? '';
    const remedy =
      named === undefined
        ? `Install \`${wanted}\` (optional dependencies must not be left out), or in a checkout run \`npm run build\`. It needs glibc 2.34 or later.`
        : `Unset ${BINARY_VARIABLE} or correct it.`;
    throw new PipelineError(
      'NATIVE_BINARY_MISSING',
      `The native engine for ${platform} could not be loaded: ${reason}. ${remedy}`,
      { platform, tried: [path ?? wanted], reason },
      { cause: error },
    );
  }
}

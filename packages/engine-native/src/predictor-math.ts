import type {
  FirstMatrix,
  FitOptions,
  LayerFit,
  LayerPredictor,
  PredictorMath,
  SampleSet,
  ScoreCurve,
} from '@thermocline/contracts';
import { PREDICTOR_TYPES } from '@thermocline/contracts';
import { type MathHandle, native, type RawFirstMatrix, type RawSamples } from './binding.js';
import {
  checkFunction,
  checkInteger,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkString,
  invalidArgument,
} from './check-arguments.js';
import { settle } from './native-call.js';
import { toPipelineError } from './native-error.js';

const FITTED_KINDS = ['trained', 'factorised', 'signs', 'gate'] as const;
const MAX_EPOCHS = 1000;
const MAX_POINTS = 1024;
const MAX_RANK = 2 ** 20;

/** The arithmetic of predictors in C++, on threads of its own. Opened by `openPredictorMath`. */
export class NativePredictorMath implements PredictorMath {
  readonly #handle: MathHandle;
  #closed = false;

  /** For `openPredictorMath`. */
  constructor(handle: MathHandle) {
    this.#handle = handle;
  }

  /**
   * Fits a predictor of one layer to samples. It reads the layer it was sampled from; who sampled
   * the state of the layer before says so in `reads`. The same bits come out for any number of
   * threads.
   *
   * @throws PipelineError `ARTIFACT_CORRUPT` naming file and place, `ARTIFACT_FORMAT`,
   * `ARTIFACT_VERSION`, `ARTIFACT_MODEL_MISMATCH`, `FILE_NOT_FOUND`, `INVALID_ARGUMENT` (weights
   * that are missing, among others), `OUT_OF_MEMORY` with the numbers, `ABORTED`, `CLOSED`
   *
   * @example
   * const first = await engine.readFirstMatrix(0);
   * const { predictor } = await math.fit(train, heldOut, { kind: 'factorised', rank: 96, first });
   */
  async fit(train: SampleSet, heldOut: SampleSet, options: FitOptions): Promise<LayerFit> {
    checkOptions(options);
    const { onProgress = () => undefined } = options;
    checkFunction(onProgress, 'onProgress');
    const kind = checkOneOf(options.kind, 'kind', FITTED_KINDS);
    const lowRank = kind === 'trained' || kind === 'factorised';
    const raw = {
      kind,
      rank: lowRank ? checkInteger(options.rank, 'rank', 32, MAX_RANK) : 0,
      type: checkOneOf(options.type ?? 'Q8_0', 'type', PREDICTOR_TYPES),
      ...checkFirst(options.first, options.activation),
      epochs: checkInteger(options.epochs ?? 3, 'epochs', 1, MAX_EPOCHS),
      seed: checkInteger(options.seed ?? 0, 'seed', 0),
    };
    const samples = checkSamples(train, 'train');
    const { files } = checkSamples(heldOut, 'heldOut');
    const signal = checkSignal(options.signal);
    this.#requireOpen();
    const { predictor, scales, heldOutLoss, best } = await settle(
      () => native().fitPredictor(this.#handle, samples, files, raw, onProgress),
      { signal, what: 'predictor mathematics' },
    );
    return {
      predictor,
      ...(scales && { scales }),
      ...(kind === 'trained' && { history: { heldOutLoss, best } }),
    };
  }

  /**
   * What lies above each of a row of common thresholds, on samples, scored as the engine would.
   *
   * @throws PipelineError as `fit`
   *
   * @example
   * const { shifts, hitValue, firingValue } = await math.score(heldOut, predictor);
   */
  async score(
    samples: SampleSet,
    predictor: LayerPredictor,
    options: Parameters<PredictorMath['score']>[2] = {},
  ): Promise<ScoreCurve> {
    checkOptions(options);
    checkOptions(predictor);
    const { scales } = options;
    if (scales !== undefined) checkFloats(scales, 'scales');
    const raw = {
      ...checkFirst(options.first, options.activation),
      scales: scales ?? null,
      points: checkInteger(options.points ?? 512, 'points', 3, MAX_POINTS),
    };
    const set = checkSamples(samples, 'samples');
    const signal = checkSignal(options.signal);
    this.#requireOpen();
    return settle(() => native().scorePredictor(this.#handle, set, predictor, raw), {
      signal,
      argument: 'predictor',
      what: 'predictor mathematics',
    });
  }

  /** Frees the threads, when what is in flight has ended. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    native().closeMath(this.#handle);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (!this.#closed) return;
    throw toPipelineError(
      { code: 'CLOSED', message: 'the predictor mathematics is closed' },
      { what: 'predictor mathematics' },
    );
  }
}

function checkFloats(value: unknown, argument: string): Float32Array {
  if (value instanceof Float32Array) return value;
  throw invalidArgument(argument, 'must be a Float32Array');
}

function checkSamples(samples: SampleSet, argument: string): RawSamples {
  if (typeof samples !== 'object' || samples === null || !Array.isArray(samples.files)) {
    throw invalidArgument(argument, 'must be an object with files and norms');
  }
  const files = (samples.files as readonly unknown[]).map((file, i) =>
    checkString(file, `${argument}.files[${i}]`),
  );
  return { files, norms: checkFloats(samples.norms, `${argument}.norms`) };
}

function checkFirst(
  first: FirstMatrix | undefined,
  activation: string | undefined,
): { first: RawFirstMatrix | null; activation: string | null } {
  if (activation !== undefined) checkString(activation, 'activation');
  if (first === undefined) return { first: null, activation: activation ?? null };
  const weights = checkFloats(first.weights, 'first.weights');
  const bias = first.bias === undefined ? null : checkFloats(first.bias, 'first.bias');
  return { first: { weights, bias }, activation: activation ?? null };
}

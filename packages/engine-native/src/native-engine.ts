import {
  type ActivationSource,
  type ActivationSums,
  type Engine,
  type EngineInfo,
  type Evaluation,
  type FfnWeights,
  type FirstMatrix,
  type Mode,
  type ModelInfo,
  type ObservationBatch,
  type ObserveOptions,
  PipelineError,
  type PlacementPlan,
  type PredictorSet,
  type SessionOptions,
  type StepItem,
  type SumOptions,
  type TierMemory,
  type TokenizeOptions,
  type TokenWindow,
} from '@thermocline/contracts';
import { type EngineHandle, native, type RawPlan } from './binding.js';
import {
  checkBoolean,
  checkInteger,
  checkLogits,
  checkMode,
  checkOneOf,
  checkOptions,
  checkSignal,
  checkTokens,
  invalidArgument,
} from './check-arguments.js';
import { checkPlan } from './check-plan.js';
import { checkPredictors } from './check-predictors.js';
import { toEngineInfo } from './model-info.js';
import { settle } from './native-call.js';
import { toPipelineError } from './native-error.js';
import { handleOf, NativeSession } from './native-session.js';
import { NativeTokenizer } from './native-tokenizer.js';
import { observeWindows } from './observe-windows.js';
import { sumWindows } from './sum-windows.js';

/**
 * A model, loaded and placed by the C++ engine. Opened by `openEngine`. Sessions of one engine
 * share its weights and its threads; what several of them want at the same time is computed in
 * one pass. It keeps no process alive while idle, and an engine that is dropped without `close`
 * is closed when it is collected.
 */
export class NativeEngine implements Engine, ActivationSource, FfnWeights {
  #info: EngineInfo;
  readonly #handle: EngineHandle;
  readonly #tokenizer: NativeTokenizer;
  #closing: Promise<void> | undefined;

  /** For `openEngine`. */
  constructor(handle: EngineHandle) {
    this.#handle = handle;
    this.#info = toEngineInfo(native().engineInfo(handle));
    this.#tokenizer = new NativeTokenizer(native().engineTokenizer(handle), 'engine');
  }

  get info(): EngineInfo {
    return this.#info;
  }

  get model(): ModelInfo {
    return this.info.model;
  }

  get fingerprint(): string {
    return this.info.fingerprint;
  }

  /**
   * Token ids of a text, made off the event loop's thread.
   *
   * @throws PipelineError `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const prompt = await engine.tokenize('Once upon a time', { addSpecial: true });
   */
  tokenize(text: string, options: TokenizeOptions = {}): Promise<Int32Array> {
    return this.#tokenizer.tokenize(text, options);
  }

  /**
   * The text of token ids.
   *
   * @throws PipelineError `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const text = await engine.detokenize(result.tokens);
   */
  detokenize(tokens: ArrayLike<number>, options: { special?: boolean } = {}): Promise<string> {
    return this.#tokenizer.detokenize(tokens, options);
  }

  /**
   * A token as the vocabulary spells it, such as `Ġgirl` or `<0x0A>`; empty for ids that only pad
   * the embedding.
   *
   * @throws PipelineError `CLOSED`, `INVALID_ARGUMENT` outside the vocabulary
   *
   * @example
   * const spelled = engine.tokenText(42);
   */
  tokenText(token: number): string {
    checkInteger(token, 'token', 0, this.info.model.vocab - 1);
    if (token >= this.#tokenizer.info.vocab) return '';
    return this.#tokenizer.tokenText(token);
  }

  /**
   * A new, empty timeline. Its KV cache is reserved whole, so that it cannot run out later.
   *
   * @throws PipelineError `OUT_OF_MEMORY` with the numbers, `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * await using session = await engine.createSession({ context: 512 });
   */
  async createSession(options: SessionOptions = {}): Promise<NativeSession> {
    checkOptions(options);
    const { context, kvType } = options;
    const length = context === undefined ? 0 : checkInteger(context, 'context', 1);
    const type = kvType === undefined ? null : checkOneOf(kvType, 'kvType', ['f16', 'f32']);
    this.#requireOpen();
    const handle = await settle(() => native().createSession(this.#handle, length, type), {
      argument: 'context',
    });
    return new NativeSession(handle, this);
  }

  /**
   * Appends tokens to several sessions in one pass over the weights. Each gets the bits it would
   * get alone, audited or not.
   *
   * @throws PipelineError `CONTEXT_OVERFLOW` before anything is computed, `MODE_UNSUPPORTED`,
   * `ABORTED`, `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const [a, b] = await engine.step([
   *   { session: first, tokens: [5] },
   *   { session: second, tokens: [7, 8], logits: 'all' },
   * ]);
   */
  async step(
    items: readonly StepItem[],
    options: { mode?: Mode; audit?: boolean; signal?: AbortSignal } = {},
  ): Promise<Evaluation[]> {
    checkOptions(options);
    if (!Array.isArray(items)) throw invalidArgument('items', 'must be an array');
    const rows = (items as readonly StepItem[]).map((item, i) => {
      if (typeof item !== 'object' || item === null) {
        throw invalidArgument(`items[${i}]`, 'must be an object');
      }
      const session = handleOf(item.session, this);
      if (session === null) {
        throw invalidArgument(`items[${i}].session`, 'must be a session of this engine');
      }
      const tokens = checkTokens(item.tokens, `items[${i}].tokens`);
      const row: Parameters<ReturnType<typeof native>['step']>[1][number] = [
        session,
        tokens,
        checkLogits(item.logits, tokens.length),
      ];
      return row;
    });
    const mode = checkMode(options.mode === undefined ? this.info.defaultMode : options.mode);
    const audit = options.audit !== undefined && checkBoolean(options.audit, 'audit');
    const signal = checkSignal(options.signal);
    this.#requireOpen();
    return settle(() => native().step(this.#handle, rows, mode, audit), {
      argument: 'items',
      what: 'session',
      signal,
    });
  }

  /**
   * Re-lays the neurons as the plan says, between two tokens; `null` restores the file's order.
   * Logits stay the same, whatever the plan.
   *
   * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` for another model's plan, `INVALID_ARGUMENT`
   * for one that names tiers this engine lacks, `OUT_OF_MEMORY`, `CLOSED`
   *
   * @example
   * await engine.setPlan(await readPlacementPlan('plan.safetensors'));
   */
  async setPlan(plan: PlacementPlan | null): Promise<void> {
    const layers = plan === null ? [] : this.#checkPlan(plan);
    this.#requireOpen();
    await settle(() => native().setPlan(this.#handle, layers), { argument: 'plan' });
  }

  /**
   * Takes other predictors between two tokens, a copy of them; `null` removes them. `info.modes`
   * names what can be run with them.
   *
   * @throws PipelineError `ARTIFACT_MODEL_MISMATCH` for another model's set, `INVALID_ARGUMENT`,
   * `OUT_OF_MEMORY` where the budget does not hold the old and the new at once, `CLOSED`; the old
   * ones then stay
   *
   * @example
   * await engine.setPredictors(await readPredictorSet('story.predictors.safetensors'));
   * const { logits } = await session.evaluate(tokens, { mode: 'predicted' });
   */
  async setPredictors(predictors: PredictorSet | null): Promise<void> {
    const raw = predictors === null ? null : checkPredictors(predictors);
    this.#requireOpen();
    if (predictors !== null)
      this.#requireOurs('predictor set', predictors.fingerprint, 'Train one');
    await settle(() => native().setPredictors(this.#handle, raw), { argument: 'predictors' });
    this.#info = toEngineInfo(native().engineInfo(this.#handle));
  }

  /**
   * What each tier holds now, what was planned and what was the most.
   *
   * @example
   * const [cpu] = engine.memory();
   */
  memory(): TierMemory[] {
    return native().engineMemory(this.#handle);
  }

  /**
   * Reads windows, each from an empty context, and hands out what their neurons did. Reading
   * goes on only as fast as the batches are taken; leaving the loop ends it.
   *
   * @throws PipelineError from the loop: `CONTEXT_OVERFLOW`, `OUT_OF_MEMORY`, `ABORTED`, `CLOSED`,
   * `INVALID_ARGUMENT`; and whatever `windows` throws
   *
   * @example
   * const windows = [{ tokens, document: 0, position: 0 }];
   * for await (const batch of engine.observe(windows, { streams: ['activation'] })) {
   *   console.log(batch.layer, batch.positions.length);
   * }
   */
  observe(
    windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
    options: ObserveOptions,
  ): AsyncIterableIterator<ObservationBatch> {
    return observeWindows(this, windows, options);
  }

  /**
   * Reads windows, each from an empty context, and counts per neuron how often it fired and how
   * strongly, without a single row crossing into JavaScript. Counts, histograms and sketches are
   * the same bits for any number of threads, and add up bit for bit over calls; the sums agree to
   * 1e-9. The first call also reads the down matrices once more, for `contribution`.
   *
   * @param options - `thresholds` where no activation is exactly zero, `sketch` for co-activation
   * @throws PipelineError as `observe`; `MODEL_CORRUPT` when activations are not finite
   *
   * @example
   * const { fires } = await engine.sum([{ tokens, document: 0, position: 0 }]);
   */
  sum(
    windows: Iterable<TokenWindow> | AsyncIterable<TokenWindow>,
    options: SumOptions = {},
  ): Promise<ActivationSums> {
    return sumWindows(this, this.#handle, windows, options);
  }

  /**
   * The first FFN matrix of a layer, the gate, or up where there is none, by neuron id: what the
   * training-free predictors are made of. Read from the model file, wherever the neurons are placed.
   *
   * @throws PipelineError `INVALID_ARGUMENT` for a layer that is not there, `OUT_OF_MEMORY` with the
   * numbers, `MODEL_CORRUPT`, `IO_ERROR`, `ABORTED`, `CLOSED`
   *
   * @example
   * const { weights } = await engine.readFirstMatrix(0);
   */
  async readFirstMatrix(
    layer: number,
    options: { signal?: AbortSignal } = {},
  ): Promise<FirstMatrix> {
    checkOptions(options);
    checkInteger(layer, 'layer', 0, this.info.model.layers - 1);
    const signal = checkSignal(options.signal);
    this.#requireOpen();
    const { weights, bias } = await settle(() => native().readFirstMatrix(this.#handle, layer), {
      argument: 'layer',
      path: this.info.path,
      signal,
    });
    return bias === null ? { weights } : { weights, bias };
  }

  /**
   * Ends running work with `CLOSED`, closes the sessions and frees the weights.
   *
   * @example
   * await engine.close();
   */
  close(): Promise<void> {
    this.#tokenizer.close();
    this.#closing ??= settle(() => native().closeEngine(this.#handle));
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #requireOpen(): void {
    if (this.#closing !== undefined) {
      throw toPipelineError({ code: 'CLOSED', message: 'the engine is closed' });
    }
  }

  #checkPlan(plan: PlacementPlan): RawPlan {
    const layers = checkPlan(plan);
    this.#requireOurs('plan', plan.fingerprint, 'Solve one');
    return layers;
  }

  #requireOurs(artifact: string, fingerprint: string, remedy: string): void {
    if (fingerprint === this.fingerprint) return;
    throw new PipelineError(
      'ARTIFACT_MODEL_MISMATCH',
      `The ${artifact} was made for the model ${fingerprint}, this one is ${this.fingerprint}. ${remedy} for this model.`,
      { path: '', expected: this.fingerprint, found: String(fingerprint) },
    );
  }
}

import {
  type ActivationProfile,
  type Engine,
  type EngineInfo,
  type GenerateOptions,
  type Mode,
  PipelineError,
  type PredictorSet,
  type Session,
} from '@thermocline/contracts';
import { type Corpus, type ProfileOptions, profileModel } from '@thermocline/profiler';
import { activationSource } from './activation-source.js';
import { Conversation, type ConversationOptions } from './conversation.js';
import { type ModelGeneration, startGeneration } from './generation.js';
import { isLossy } from './is-lossy.js';
import { requireNamedLoss, resolveMode } from './mode.js';
import { type Prompt, promptTokens } from './prompt.js';
import { type TrainPredictorsOptions, trainOnCorpus } from './train-predictors.js';
import {
  type LoadedPredictors,
  type OperatingPoint,
  placePredictors,
  readPredictors,
} from './use-predictors.js';

/**
 * A loaded model. Every generation has its own timeline, so several may run at once; close the
 * model when done, or declare it with `await using`.
 */
export class Model {
  #predictors: LoadedPredictors | null;
  #defaultMode: Mode | null = null;

  /** @param predictors - those the engine was opened with */
  constructor(
    readonly engine: Engine,
    predictors: LoadedPredictors | null = null,
  ) {
    this.#predictors = predictors;
  }

  get info(): EngineInfo {
    return { ...this.engine.info, defaultMode: this.defaultMode };
  }

  /** What chooses the neurons in lossy modes, if anything was loaded for it. */
  get predictors(): LoadedPredictors | null {
    return this.#predictors;
  }

  /** The mode used when a call names none: with predictors the one they are for. */
  get defaultMode(): Mode {
    const { modes, defaultMode } = this.engine.info;
    if (this.#defaultMode !== null) return this.#defaultMode;
    if (this.#predictors === null) return defaultMode;
    return modes.find(isLossy) ?? defaultMode;
  }

  /** @throws PipelineError `MODE_UNSUPPORTED` */
  set defaultMode(mode: Mode) {
    this.#defaultMode = resolveMode(this.info, mode);
  }

  /**
   * Loads a predictor set or its file between two tokens, in place of the one there was; `null`
   * takes it away.
   *
   * @throws PipelineError those of `readPredictorSet`, `ARTIFACT_MODEL_MISMATCH` among them;
   * `INVALID_ARGUMENT` for a point that was not calibrated, `OUT_OF_MEMORY`
   *
   * @example
   * await model.usePredictors('story.predictors.safetensors', { recall: 0.99 });
   */
  async usePredictors(
    predictors: PredictorSet | string | null,
    point: OperatingPoint = {},
  ): Promise<void> {
    const made =
      predictors === null ? null : await readPredictors(predictors, this.engine.info.fingerprint);
    await this.#load(made && placePredictors(made, point));
  }

  /**
   * Moves the thresholds of the loaded predictors, without training anew.
   *
   * @throws PipelineError `INVALID_ARGUMENT` for a point that was not calibrated, or when there are none
   *
   * @example
   * await model.movePredictors({ recall: 0.99 });
   */
  async movePredictors(point: OperatingPoint): Promise<void> {
    if (this.#predictors === null) {
      const reason = 'there are no predictors whose thresholds could move; load a predictor set';
      throw new PipelineError('INVALID_ARGUMENT', `${reason}.`, { argument: 'recall', reason });
    }
    await this.#load(placePredictors(this.#predictors.made, point));
  }

  async #load(predictors: LoadedPredictors | null): Promise<void> {
    await this.engine.setPredictors(predictors?.set ?? null);
    this.#predictors = predictors;
    if (this.#defaultMode && !this.engine.info.modes.includes(this.#defaultMode)) {
      this.#defaultMode = null;
    }
  }

  /**
   * The tokens `generate` would read for this prompt, BOS and chat template included.
   *
   * @example
   * const { length } = await model.promptTokens('Once upon a time');
   */
  promptTokens(prompt: Prompt): Promise<Int32Array> {
    return promptTokens(this.engine, prompt);
  }

  /**
   * Generates text after a prompt: a text to continue, the messages of a conversation, or token
   * ids. Whole characters arrive as they are made. Leaving the loop early, or the signal, ends
   * the generation; `result` then tells what was made until there.
   *
   * Mode `threshold` runs only where its cost was measured, and `result.loss` names it.
   *
   * @throws PipelineError from the loop and from `result`: `MODE_UNSUPPORTED`,
   * `CONTEXT_OVERFLOW`, `OUT_OF_MEMORY`, `INVALID_ARGUMENT`, `CLOSED`
   *
   * @example
   * const generation = model.generate('Once upon a time', { maxTokens: 100 });
   * for await (const { text } of generation) process.stdout.write(text);
   * const { finishReason } = await generation.result;
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): ModelGeneration {
    return startGeneration(this.engine, async () => {
      const mode = resolveMode(this.info, options.mode);
      const loss = requireNamedLoss(this, mode);
      const tokens = await promptTokens(this.engine, prompt);
      const session = await this.engine.createSession();
      return {
        session,
        tokens,
        loss,
        options: { ...options, mode },
        ended: () => session.close(),
      };
    });
  }

  /**
   * Opens a conversation whose turns build on each other.
   *
   * @example
   * await using conversation = await model.startConversation();
   * const answer = await conversation.send('Who are you?').result;
   */
  async startConversation(options: ConversationOptions = {}): Promise<Conversation> {
    return new Conversation(this, await this.engine.createSession(), options);
  }

  /**
   * Runs `body` on a timeline of its own, which is closed afterwards.
   *
   * @example
   * const { logits } = await model.withSession((session) => session.evaluate(tokens));
   */
  async withSession<T>(body: (session: Session) => Promise<T>): Promise<T> {
    const session = await this.engine.createSession();
    try {
      return await body(session);
    } finally {
      await session.close();
    }
  }

  /**
   * Counts how often each neuron fires while the model reads a corpus.
   *
   * @throws PipelineError as `profileModel` of `@thermocline/profiler`
   *
   * @example
   * await using corpus = await openCorpus(['stories.txt']);
   * const profile = await model.profile(corpus, { tokens: 131_072 });
   */
  async profile(corpus: Corpus, options: ProfileOptions = {}): Promise<ActivationProfile> {
    return profileModel(activationSource(this.engine), corpus, options);
  }

  /**
   * Trains what predicts which neurons fire, on texts like those the model is for.
   *
   * @param profile - of this model, from `profile`
   * @throws PipelineError as `trainPredictors` of `@thermocline/predictor`
   *
   * @example
   * const set = await model.trainPredictors(corpus, profile, { tokens: 65_536 });
   * await model.usePredictors(set);
   */
  async trainPredictors(
    corpus: Corpus,
    profile: ActivationProfile,
    options: TrainPredictorsOptions = {},
  ): Promise<PredictorSet> {
    return trainOnCorpus(this.engine, corpus, profile, options);
  }

  /** Ends what runs and frees the weights. Safe at any moment, and twice. */
  close(): Promise<void> {
    return this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

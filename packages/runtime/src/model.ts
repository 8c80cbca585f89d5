import type {
  ActivationProfile,
  Engine,
  EngineInfo,
  GenerateOptions,
  Session,
} from '@thermocline/contracts';
import { type Corpus, type ProfileOptions, profileModel } from '@thermocline/profiler';
import { activationSource } from './activation-source.js';
import { Conversation, type ConversationOptions } from './conversation.js';
import { type ModelGeneration, startGeneration } from './generation.js';
import { resolveMode } from './mode.js';
import { type Prompt, promptTokens } from './prompt.js';

/**
 * A loaded model. Every generation has its own timeline, so several may run at once; close the
 * model when done, or declare it with `await using`.
 */
export class Model {
  constructor(readonly engine: Engine) {}

  get info(): EngineInfo {
    return this.engine.info;
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
      const tokens = await promptTokens(this.engine, prompt);
      const session = await this.engine.createSession();
      return { session, tokens, options: { ...options, mode }, ended: () => session.close() };
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
    return new Conversation(this.engine, await this.engine.createSession(), options);
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

  /** Ends what runs and frees the weights. Safe at any moment, and twice. */
  close(): Promise<void> {
    return this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

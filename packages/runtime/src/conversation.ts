import type { Engine, GenerateOptions, GenerateResult, Session } from '@thermocline/contracts';
import type { ChatMessage } from './chat-template.js';
import { type GenerationPlan, type ModelGeneration, startGeneration } from './generation.js';
import { requireNamedLoss, resolveMode } from './mode.js';
import type { Model } from './model.js';
import { concatTokens, promptTokens } from './prompt.js';

export interface ConversationOptions {
  /** What the model is told before the first turn. */
  system?: string;
}

type PreparedTurn = Omit<GenerationPlan, 'options' | 'loss'>;

/**
 * A conversation on one timeline: each turn reads only what is new. A model without a chat
 * template does not answer; it continues the text, each turn on a new line, and `notice` says so.
 * One turn at a time: wait for `result` before the next.
 */
export class Conversation {
  /** What a person should know before the first turn, or `null`. */
  readonly notice: string | null;
  readonly #model: Model;
  readonly #engine: Engine;
  readonly #session: Session;
  readonly #opening: readonly ChatMessage[];
  #messages: ChatMessage[];

  /** For `Model.startConversation`. */
  constructor(model: Model, session: Session, { system }: ConversationOptions) {
    const { engine } = model;
    this.#model = model;
    this.#engine = engine;
    this.#session = session;
    this.#opening = system === undefined ? [] : [{ role: 'system', content: system }];
    this.#messages = [...this.#opening];
    this.notice =
      engine.info.chatTemplate === null
        ? `${engine.info.name} has no chat template: it does not answer, it continues the text you give it.`
        : null;
  }

  /** The turns so far, the system's included. */
  get messages(): readonly ChatMessage[] {
    return this.#messages;
  }

  /** Tokens of the context in use. */
  get length(): number {
    return this.#session.length;
  }

  /**
   * Sends a turn. An answer that is cut short by the signal stays part of the conversation as far
   * as it went; a turn that fails leaves the conversation as it was.
   *
   * @throws PipelineError from the loop and from `result`: `CONTEXT_OVERFLOW` when the
   * conversation has become too long, and what `Model.generate` throws
   *
   * @example
   * for await (const { text } of conversation.send('Hello')) process.stdout.write(text);
   */
  send(content: string, options: GenerateOptions = {}): ModelGeneration {
    return startGeneration(this.#engine, async () => {
      const mode = resolveMode(this.#model.info, options.mode);
      const loss = requireNamedLoss(this.#model, mode);
      const messages: ChatMessage[] = [...this.#messages, { role: 'user', content }];
      const before = this.#session.length;
      const plan =
        this.notice === null ? await this.#answer(messages) : await this.#continueText(content);
      const ended = async (result?: GenerateResult) => {
        if (result === undefined) return this.#forget(before);
        this.#messages = [...messages, { role: 'assistant', content: result.text }];
      };
      return { ...plan, loss, options: { ...options, mode }, ended };
    });
  }

  /** Forgets all turns; the system's message stays. */
  async reset(): Promise<void> {
    await this.#session.truncate(0);
    this.#messages = [...this.#opening];
  }

  close(): Promise<void> {
    return this.#session.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #answer(messages: readonly ChatMessage[]): Promise<PreparedTurn> {
    const tokens = await promptTokens(this.#engine, messages);
    // The template may write earlier turns in another way once they are past (it may drop a
    // model's thoughts, say), so what is read already counts only as far as it is the same.
    const read = this.#session.tokens();
    let same = 0;
    while (same < read.length && same < tokens.length - 1 && read[same] === tokens[same]) same++;
    await this.#session.truncate(same);
    return { session: this.#session, tokens, unread: tokens.subarray(same) };
  }

  async #continueText(content: string): Promise<PreparedTurn> {
    const first = this.#session.length === 0;
    const system = first ? this.#opening.map((message) => `${message.content}\n`).join('') : '\n';
    const text = `${system}${content}`;
    const unread = first
      ? await promptTokens(this.#engine, text)
      : await this.#engine.tokenize(text);
    const tokens = concatTokens([this.#session.tokens(), unread]);
    return { session: this.#session, tokens, unread };
  }

  async #forget(length: number): Promise<void> {
    // After a failure the session may be closed, or shorter already.
    if (this.#session.length > length) await this.#session.truncate(length).catch(() => undefined);
  }
}

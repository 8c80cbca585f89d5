import type {
  EvaluateOptions,
  Evaluation,
  GenerateOptions,
  Generation,
  Session,
} from '@thermocline/contracts';
import { isPipelineError } from '@thermocline/contracts';
import { native, type SessionHandle } from './binding.js';
import { checkInteger, checkOptions } from './check-arguments.js';
import { settle } from './native-call.js';
import type { NativeEngine } from './native-engine.js';
import { startGeneration } from './start-generation.js';

// Registered, so that a session of this package's other module form (ESM beside CommonJS) is
// known to an engine of this one: what they stand for lives in the addon, which both share.
const HANDLE = Symbol.for('thermocline.session.handle');
const ENGINE = Symbol.for('thermocline.session.engine');

/** The addon's handle of a session of `engine`; null for anything else. */
export function handleOf(session: unknown, engine: NativeEngine): SessionHandle | null {
  if (typeof session !== 'object' || session === null || !(HANDLE in session)) return null;
  const native = session as NativeSession;
  return native[ENGINE] === engine ? native[HANDLE] : null;
}

/** One timeline of a `NativeEngine`. Calls are carried out in the order they were made. */
export class NativeSession implements Session {
  readonly [HANDLE]: SessionHandle;
  readonly [ENGINE]: NativeEngine;
  #closing: Promise<void> | undefined;

  /** For `NativeEngine.createSession`. */
  constructor(handle: SessionHandle, engine: NativeEngine) {
    this[HANDLE] = handle;
    this[ENGINE] = engine;
  }

  get length(): number {
    return native().sessionLength(this[HANDLE]);
  }

  tokens(): Int32Array {
    return native().sessionTokens(this[HANDLE]);
  }

  /**
   * Appends tokens; logits of the last one unless asked otherwise.
   *
   * @throws PipelineError `CONTEXT_OVERFLOW` before anything is computed, `MODE_UNSUPPORTED`,
   * `ABORTED`, `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const { logits } = await session.evaluate([1, 5, 9], { logits: 'all' });
   */
  async evaluate(tokens: ArrayLike<number>, options: EvaluateOptions = {}): Promise<Evaluation> {
    checkOptions(options);
    const { logits, ...rest } = options;
    const item = { session: this, tokens, ...(logits !== undefined && { logits }) };
    const [evaluation] = await this[ENGINE].step([item], rest);
    return evaluation as Evaluation;
  }

  /**
   * Appends the prompt and writes on from there. Starts at once; leaving the loop early, or the
   * signal, ends it, and `result` has what there is. Chunks wait for a reader; there is one
   * reader.
   *
   * @throws PipelineError from the loop and from `result`: `CONTEXT_OVERFLOW`,
   * `MODE_UNSUPPORTED`, `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const generation = session.generate(prompt, { maxTokens: 50, temperature: 0.8, seed: 7 });
   * for await (const { text } of generation) process.stdout.write(text);
   * const { finishReason } = await generation.result;
   */
  generate(prompt: ArrayLike<number>, options: GenerateOptions = {}): Generation {
    return startGeneration(this[HANDLE], this[ENGINE].info.defaultMode, prompt, options);
  }

  /**
   * Forgets every token from `length` on.
   *
   * @throws PipelineError `INVALID_ARGUMENT` beyond the timeline, `CLOSED`
   *
   * @example
   * await session.truncate(prompt.length);
   */
  async truncate(length: number): Promise<void> {
    checkInteger(length, 'length', 0);
    await settle(() => native().truncate(this[HANDLE], length), {
      argument: 'length',
      what: 'session',
    });
  }

  /**
   * A new session with the same timeline, its own from here on.
   *
   * @throws PipelineError `OUT_OF_MEMORY`, `CLOSED`
   *
   * @example
   * const branch = await session.fork();
   */
  async fork(): Promise<NativeSession> {
    const handle = await settle(() => native().fork(this[HANDLE]), { what: 'session' });
    return new NativeSession(handle, this[ENGINE]);
  }

  /** Ends running work with `CLOSED` and frees the cache. Safe twice, and after the engine. */
  close(): Promise<void> {
    this.#closing ??= settle(() => native().closeSession(this[HANDLE])).catch((error) => {
      if (!isPipelineError(error, 'CLOSED')) throw error;
    });
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

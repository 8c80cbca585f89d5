import type { TokenizeOptions } from '@thermocline/contracts';
import { native, type RawTokenizerInfo, type TokenizerHandle } from './binding.js';
import {
  checkBoolean,
  checkInteger,
  checkOptions,
  checkString,
  checkTokens,
  invalidArgument,
} from './check-arguments.js';
import { settle } from './native-call.js';
import { toPipelineError } from './native-error.js';

/** What a vocabulary is. */
export type TokenizerInfo = RawTokenizerInfo;

/** A vocabulary and its rules, with or without a model around it. Opened by `openTokenizer`. */
export class NativeTokenizer {
  readonly info: TokenizerInfo;
  readonly #what: string;
  #handle: TokenizerHandle | undefined;

  /** For `openTokenizer` and engines. `what` is named when it is used after `close`. */
  constructor(handle: TokenizerHandle, what = 'tokenizer') {
    this.#handle = handle;
    this.#what = what;
    this.info = native().tokenizerInfo(handle);
  }

  /**
   * Token ids of a text, made off the event loop's thread.
   *
   * @throws PipelineError `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const ids = await tokenizer.tokenize('Once upon a time');
   */
  async tokenize(text: string, options: TokenizeOptions = {}): Promise<Int32Array> {
    checkString(text, 'text');
    checkOptions(options);
    const { addSpecial = false, parseSpecial = false } = options;
    checkBoolean(addSpecial, 'addSpecial');
    checkBoolean(parseSpecial, 'parseSpecial');
    const handle = this.#open();
    return settle(() => native().tokenize(handle, text, addSpecial, parseSpecial));
  }

  /**
   * The text of token ids; control tokens only if `special`, ids outside the vocabulary never.
   *
   * @throws PipelineError `CLOSED`, `INVALID_ARGUMENT`
   *
   * @example
   * const text = await tokenizer.detokenize(ids);
   */
  async detokenize(
    tokens: ArrayLike<number>,
    options: { special?: boolean } = {},
  ): Promise<string> {
    const ids = checkTokens(tokens);
    checkOptions(options);
    const { special = false } = options;
    checkBoolean(special, 'special');
    const handle = this.#open();
    return settle(() => native().detokenize(handle, ids, special));
  }

  /**
   * A token as the vocabulary spells it.
   *
   * @throws PipelineError `CLOSED`, `INVALID_ARGUMENT` outside the vocabulary
   *
   * @example
   * const spelled = tokenizer.tokenText(42);
   */
  tokenText(token: number): string {
    checkInteger(token, 'token', 0);
    const text = native().tokenText(this.#open(), token);
    if (text === null) {
      throw invalidArgument(
        'token',
        `must be below ${this.info.vocab}, the size of the vocabulary`,
      );
    }
    return text;
  }

  /** Lets go of the vocabulary. Safe twice. */
  close(): void {
    this.#handle = undefined;
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #open(): TokenizerHandle {
    if (this.#handle !== undefined) return this.#handle;
    const what = this.#what;
    throw toPipelineError({ code: 'CLOSED', message: `the ${what} is closed` }, { what });
  }
}

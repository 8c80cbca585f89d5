import { createInterface, type Interface } from 'node:readline';
import { Writable } from 'node:stream';
import { isPipelineError } from '@thermocline/contracts';
import { type Conversation, summarizeGeneration } from '@thermocline/runtime';
import { closingLine } from '../closing-line.js';
import { lossLine } from '../loss-line.js';
import { openModel } from '../open-model.js';
import { reportError } from '../report-error.js';
import { generateOptions, type SamplingFlags } from '../sampling.js';
import { colors, errorColors, note, printable } from '../terminal.js';

export interface ChatOptions extends SamplingFlags {
  system?: string;
}

const HELP = `/reset  forget the conversation so far
/help   this list
/exit   leave (or Ctrl-D)`;

/** `thermocline chat`: one turn per line, until the input ends. */
export async function chat(path: string | undefined, options: ChatOptions): Promise<void> {
  await using model = await openModel(path, options);
  const { system } = options;
  await using conversation = await model.startConversation(system === undefined ? {} : { system });
  const { name, context, contextSource } = model.info;
  note(errorColors.dim(`${name} · context ${context} (${contextSource}) · /help, Ctrl-D leaves`));
  if (conversation.notice !== null) note(`note: ${conversation.notice}`);

  const input = new ChatInput();
  try {
    for await (const line of input.lines()) {
      if (line === '/exit') break;
      if (line === '/help') note(HELP);
      else if (line === '/reset') await conversation.reset();
      else if (line !== '') await answer(line);
    }
  } finally {
    input.close();
  }

  async function answer(line: string): Promise<void> {
    const generation = conversation.send(line, {
      ...generateOptions(options),
      signal: input.beginAnswer(),
    });
    try {
      for await (const { text } of generation) process.stdout.write(printable(text));
      process.stdout.write('\n');
      const result = await generation.result;
      if (result.loss) note(errorColors.dim(lossLine(result.loss)));
      if (result.finishReason === 'aborted') note(errorColors.dim('(stopped)'));
      note(errorColors.dim(closingLine(model.info, result, summarizeGeneration(result))));
    } catch (error) {
      reportError(error);
      if (isPipelineError(error, 'CONTEXT_OVERFLOW')) adviseReset(conversation);
      else if (isPipelineError(error, 'CLOSED')) throw error;
    } finally {
      input.endAnswer();
    }
  }
}

function adviseReset({ length }: Conversation): void {
  note(`The conversation holds ${length} tokens. /reset begins a new one.`);
}

/**
 * Lines from the keyboard or a pipe. On a terminal Ctrl-C is a key like any other: while an answer
 * is written it stops the answer, at the prompt the second one in a row leaves.
 */
class ChatInput {
  readonly #terminal = process.stdin.isTTY === true && process.stdout.isTTY === true;
  readonly #echo = new Echo();
  readonly #reader: Interface;
  readonly #onInterrupt = () => this.#interrupted();
  #answering: AbortController | undefined;
  #askedToLeave = false;

  constructor() {
    this.#reader = createInterface({
      input: process.stdin,
      output: this.#echo,
      terminal: this.#terminal,
      prompt: this.#terminal ? colors.cyan('› ') : '',
    });
    this.#reader.on('SIGINT', this.#onInterrupt);
    process.on('SIGINT', this.#onInterrupt);
  }

  async *lines(): AsyncGenerator<string> {
    this.#reader.prompt();
    for await (const line of this.#reader) {
      this.#askedToLeave = false;
      yield line.trim();
      this.#reader.prompt();
    }
    if (this.#terminal) process.stdout.write('\n');
  }

  /** From now on Ctrl-C fires this signal, and typing is not shown. */
  beginAnswer(): AbortSignal {
    this.#answering = new AbortController();
    this.#echo.muted = true;
    return this.#answering.signal;
  }

  endAnswer(): void {
    this.#answering = undefined;
    this.#echo.muted = false;
  }

  close(): void {
    process.off('SIGINT', this.#onInterrupt);
    this.#reader.close();
  }

  #interrupted(): void {
    if (this.#answering !== undefined) {
      this.#answering.abort();
    } else if (this.#askedToLeave || !this.#terminal) {
      this.#reader.close();
    } else {
      this.#askedToLeave = true;
      process.stdout.write('\n');
      note(errorColors.dim('Ctrl-C again or Ctrl-D leaves.'));
      this.#reader.prompt();
    }
  }
}

/** Where readline draws the line being typed; silent while an answer is written. */
class Echo extends Writable {
  muted = false;

  get columns(): number {
    return process.stdout.columns;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    if (!this.muted) process.stdout.write(chunk);
    done();
  }
}

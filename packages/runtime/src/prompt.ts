import type { Engine } from '@thermocline/contracts';
import { type ChatMessage, renderChat } from './chat-template.js';

/** A text to continue, a conversation to answer, or token ids that are taken as they are. */
export type Prompt = string | readonly ChatMessage[] | Int32Array;

/**
 * The tokens a model reads for a prompt. A text begins with BOS where the model file asks for
 * it; a conversation is written with the file's chat template; ids are not touched.
 *
 * @example
 * const tokens = await promptTokens(engine, 'Once upon a time');
 */
export async function promptTokens(engine: Engine, prompt: Prompt): Promise<Int32Array> {
  if (prompt instanceof Int32Array) return prompt;
  if (typeof prompt === 'string') return withBos(engine, await engine.tokenize(prompt));
  const { bos, eos } = engine.info;
  const text = (token: number | null) => (token === null ? '' : engine.tokenText(token));
  const written = await renderChat(engine.info, prompt, { bos: text(bos), eos: text(eos) });
  // Templates write control tokens, often BOS among them, as text.
  return withBos(engine, await engine.tokenize(written, { parseSpecial: true }));
}

/** Joins token lists. */
export function concatTokens(parts: readonly ArrayLike<number>[]): Int32Array {
  const all = new Int32Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}

function withBos({ info }: Engine, tokens: Int32Array): Int32Array {
  const { addsBos, bos } = info;
  if (!addsBos || bos === null || tokens[0] === bos) return tokens;
  return concatTokens([[bos], tokens]);
}

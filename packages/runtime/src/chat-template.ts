import { type EngineInfo, PipelineError } from '@thermocline/contracts';

/** One turn of a conversation. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant';
  content: string;
}

/** The texts a template may ask for. */
export interface SpecialTexts {
  bos: string;
  eos: string;
}

/**
 * Writes a conversation the way the model was trained to read it, ready for its next answer. The
 * template is the model file's own.
 *
 * @throws PipelineError `MODEL_UNSUPPORTED` when the model has no template or a broken one,
 * `INVALID_ARGUMENT` when the template refuses these messages
 *
 * @example
 * const text = await renderChat(model.info, [{ role: 'user', content: 'Hello' }], { bos, eos });
 */
export async function renderChat(
  info: EngineInfo,
  messages: readonly ChatMessage[],
  special: SpecialTexts,
): Promise<string> {
  const { path, chatTemplate } = info;
  if (chatTemplate === null) {
    const reason = 'it has no chat template, so it was not made for conversations';
    throw new PipelineError(
      'MODEL_UNSUPPORTED',
      `${path}: ${reason}. Give it a text to continue.`,
      {
        path,
        reason,
      },
    );
  }
  // Loaded here, because most uses of a model never need it.
  const { Template } = await import('@huggingface/jinja');
  const template = asError('MODEL_UNSUPPORTED', path, () => new Template(chatTemplate));
  return asError('INVALID_ARGUMENT', path, () =>
    template.render({
      messages: messages.map(({ role, content }) => ({ role, content })),
      add_generation_prompt: true,
      bos_token: special.bos,
      eos_token: special.eos,
    }),
  );
}

function asError<T>(
  code: 'MODEL_UNSUPPORTED' | 'INVALID_ARGUMENT',
  path: string,
  body: () => T,
): T {
  try {
    return body();
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    if (code === 'MODEL_UNSUPPORTED') {
      const reason = `its chat template cannot be read: ${said}`;
      throw new PipelineError(code, `${path}: ${reason}`, { path, reason }, { cause: error });
    }
    const reason = `the model's chat template refuses them: ${said}`;
    const details = { argument: 'messages', reason };
    throw new PipelineError(code, `messages: ${reason}`, details, { cause: error });
  }
}

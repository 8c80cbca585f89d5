import type { EngineInfo } from '@thermocline/contracts';
import { describe, expect, it } from 'vitest';
import { renderChat } from './chat-template.js';

const CHATML = `{{ bos_token }}{% for message in messages %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant
{% endif %}`;
const STRICT = `{% for message in messages %}{% if message.role == 'system' %}{{ raise_exception('no system message') }}{% endif %}[{{ message.content }}]{% endfor %}`;
const special = { bos: '<s>', eos: '</s>' };
const user = { role: 'user', content: 'Hi {{ bos_token }}' } as const;

function info(chatTemplate: string | null): EngineInfo {
  return { path: 'model.gguf', chatTemplate } as EngineInfo;
}

describe('renderChat', () => {
  it('writes a conversation as the template says, and the messages as they are', async () => {
    const text = await renderChat(
      info(CHATML),
      [{ role: 'system', content: 'Short.' }, user],
      special,
    );
    expect(text).toBe(
      '<s><|im_start|>system\nShort.<|im_end|>\n<|im_start|>user\nHi {{ bos_token }}<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  it('passes on why a template refuses the messages', async () => {
    expect(await renderChat(info(STRICT), [user], special)).toBe('[Hi {{ bos_token }}]');
    const refused = renderChat(info(STRICT), [{ role: 'system', content: 'x' }], special);
    await expect(refused).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining('no system message'),
    });
  });

  it.each([[null], ['{% for %}'], ['{{ messages | ']])('refuses %j', async (template) => {
    const refused = renderChat(info(template), [user], special);
    await expect(refused).rejects.toMatchObject({ code: 'MODEL_UNSUPPORTED' });
  });
});

import { join } from 'node:path';
import { openEngine } from '@thermocline/engine-native';
import { describe, expect, test } from 'vitest';
import { type RunOutput, thermoclineJson } from './support/cli.js';
import { demo } from './support/fixtures.js';
import { temporaryFolder } from './support/temporary.js';
import { quantizeGguf } from './tools/quantize-gguf.mjs';

const folder = temporaryFolder();
const [story] = demo.reference().prompts;
const prompt = story?.prompt ?? '';
const greedy = ['run', demo.gguf, '-p', prompt, '--temp', '0', '-n', '32'];

describe('sampling', () => {
  const sampled = ['run', demo.gguf, '-p', prompt, '-n', '48', '--temp', '1', '--top-p', '0.95'];

  test('the same seed gives the same tokens, another seed others', async () => {
    const seeded = (seed: number) =>
      thermoclineJson<RunOutput>([...sampled, '--seed', String(seed)]);
    const [a, b, c] = [await seeded(7), await seeded(7), await seeded(8)];
    expect(a.tokens).toEqual(b.tokens);
    expect(a.text).toBe(b.text);
    expect(a.tokens).not.toEqual(c.tokens);
  });

  test('only the likeliest token is left at top-k 1', async () => {
    const one = await thermoclineJson<RunOutput>([...sampled, '--top-k', '1', '--seed', '5']);
    const best = await thermoclineJson<RunOutput>([...greedy.slice(0, -1), '48']);
    expect(one.tokens).toEqual(best.tokens);
  });
});

describe('stop texts', () => {
  test.each([
    // One token, the middle of a token, and across several tokens.
    { stop: ' Lily', text: ' girl named' },
    { stop: 'il', text: ' girl named L' },
    { stop: 'named Lily. She', text: ' girl ' },
  ])('generation ends before "$stop"', async ({ stop, text }) => {
    const run = await thermoclineJson<RunOutput>([...greedy, '--stop', stop]);
    expect(run.text).toBe(text);
  });

  test('text that only begins like a stop text is given out', async () => {
    const whole = await thermoclineJson<RunOutput>(greedy);
    const run = await thermoclineJson<RunOutput>([...greedy, '--stop', ' Lily. She left']);
    expect(run.text).toBe(whole.text);
  });
});

describe('characters of several tokens', () => {
  // The same model with other spellings: the first four greedy tokens are now the four bytes of
  // one character, and the tokens after them stay words.
  const path = join(folder, 'demo-bytes.gguf');
  const emoji = Array.from(Buffer.from('😀'));
  const bytesToChars = byteSpellings();

  test('never leave in parts', async () => {
    quantizeGguf(demo.gguf, path, 'F16', (metadata) => {
      const entry = metadata.get('tokenizer.ggml.tokens');
      const tokens = [...((entry?.value ?? []) as string[])];
      for (const [i, byte] of emoji.entries()) {
        const spelling = bytesToChars[byte] ?? '';
        const from = tokens.indexOf(spelling);
        const to = story?.greedy_ids[i] ?? -1;
        [tokens[from], tokens[to]] = [tokens[to] ?? '', spelling];
      }
      metadata.set('tokenizer.ggml.tokens', { type: 'array', item: 'string', value: tokens });
    });
    await using engine = await openEngine(path);
    const chunksOf = async (maxTokens: number) => {
      await using session = await engine.createSession();
      const generation = session.generate(story?.ids ?? [], { maxTokens });
      const chunks = [];
      for await (const chunk of generation) chunks.push(chunk);
      return { chunks, result: await generation.result };
    };
    const { chunks, result } = await chunksOf(8);
    expect(result.tokens).toEqual(story?.greedy_ids.slice(0, 8));
    expect(result.text.startsWith('😀')).toBe(true);
    expect(chunks.map(({ text }) => text).join('')).toBe(result.text);
    expect(chunks.flatMap(({ tokens }) => tokens)).toEqual(result.tokens);
    for (const { text } of chunks) {
      expect(text).not.toContain('\uFFFD');
      // Half of a surrogate pair does not survive UTF-8.
      expect(Buffer.from(text).toString()).toBe(text);
    }
    // A character that the end cut in two is marked, once, and only there.
    const cut = await chunksOf(2);
    expect(cut.result.text.replaceAll('\uFFFD', '')).toBe('');
  });
});

/** How byte-level vocabularies spell each byte: printable ones as themselves, others from U+0100. */
function byteSpellings(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable =
      (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);
    return String.fromCodePoint(printable ? byte : next++);
  });
}

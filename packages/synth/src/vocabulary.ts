import type { GgufValue } from './gguf-header.js';

const CONSONANTS = [...'bcdfghjklmnpqrstvwxyz'];
const VOWELS = [...'aeiou'];
const NORMAL = 1;

/**
 * The keys of a SentencePiece vocabulary: three control tokens, every byte, the printable characters
 * and made-up syllables. Longer pieces score lower, so the tokenizer builds them from shorter ones.
 * Any text can be read with it, and what a model says can be spelled.
 */
export function vocabularyEntries(size: number): [string, GgufValue][] {
  const pieces = makePieces(size);
  const tokens = pieces.map(({ text }) => text);
  const types = pieces.map(({ type }) => type);
  const scores = types.map((type, id) => (type === NORMAL ? -id : 0));
  return [
    ['tokenizer.ggml.model', { type: 'string', value: 'llama' }],
    ['tokenizer.ggml.pre', { type: 'string', value: 'default' }],
    ['tokenizer.ggml.tokens', { type: 'array', item: 'string', value: tokens }],
    ['tokenizer.ggml.scores', { type: 'array', item: 'f32', value: scores }],
    ['tokenizer.ggml.token_type', { type: 'array', item: 'i32', value: types }],
    ['tokenizer.ggml.unknown_token_id', { type: 'u32', value: 0 }],
    ['tokenizer.ggml.bos_token_id', { type: 'u32', value: 1 }],
    ['tokenizer.ggml.eos_token_id', { type: 'u32', value: 2 }],
  ];
}

function makePieces(size: number): { text: string; type: number }[] {
  const pieces = [
    { text: '<unk>', type: 2 },
    { text: '<s>', type: 3 },
    { text: '</s>', type: 3 },
  ];
  for (let byte = 0; byte < 256; byte++) {
    pieces.push({ text: `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`, type: 6 });
  }
  for (const text of words()) {
    if (pieces.length >= size) break;
    pieces.push({ text, type: NORMAL });
  }
  return pieces;
}

/** Characters, then words of one, two and three syllables: over a million, none of them twice. */
function* words(): Generator<string> {
  yield '▁';
  for (let code = 33; code < 127; code++) yield String.fromCharCode(code);
  const syllables = CONSONANTS.flatMap((first) => VOWELS.map((second) => first + second));
  yield* syllables;
  for (const only of syllables) yield `▁${only}`;
  for (const first of syllables) for (const second of syllables) yield first + second;
  for (const first of syllables) for (const second of syllables) yield `▁${first}${second}`;
  for (const third of syllables) {
    for (const second of syllables) for (const first of syllables) yield first + second + third;
  }
}

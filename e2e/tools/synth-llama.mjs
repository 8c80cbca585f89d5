// Writes a llama of a given shape with random weights, for speed measurements: the same seed gives
// the same file. Weights are drawn so that every matrix keeps the size of what it multiplies, so
// activations stay in the range of a trained model. What it writes is noise.
//
//   node e2e/tools/synth-llama.mjs synth-160m-q4_0.gguf --type Q4_0
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { writeGguf } from './gguf.mjs';
import { toBfloat, toHalf } from './half.mjs';
import { encodedBytes, encodeTensor, WEIGHT_TYPES } from './tensor-codec.mjs';

/** @typedef {import('./tensor-codec.mjs').WeightType} WeightType */
/** @typedef {import('./k-quants.mjs').KQuant} KQuant */
/** @typedef {import('./gguf.mjs').Entry} Entry */

/** About 162 million parameters. */
export const DEFAULT_SHAPE = {
  dModel: 768,
  layers: 12,
  nFf: 3072,
  heads: 12,
  kvHeads: 12,
  vocab: 32_000,
  context: 2048,
};

/**
 * Where a superblock has its half scales, and the standard deviation of its values in units of d
 * when all other bits are random; dmin = zero · d puts their mean at zero.
 *
 * @type {Record<KQuant, { d: number, dmin?: number, deviation: number, zero: number }>}
 */
const K_NOISE = {
  Q4_K: { d: 0, dmin: 2, deviation: 258.3, zero: 7.5 },
  Q5_K: { d: 0, dmin: 2, deviation: 526.9, zero: 15.5 },
  Q6_K: { d: 208, deviation: 1365.7, zero: 0 },
};

/**
 * @param {string} path
 * @param {{ type?: WeightType, seed?: number, relu?: boolean } & Partial<typeof DEFAULT_SHAPE>} [options]
 */
export function writeSynthLlama(path, { type = 'Q4_0', seed = 1, relu = false, ...sizes } = {}) {
  const shape = { ...DEFAULT_SHAPE, ...sizes };
  const random = new Random(seed);
  writeGguf(path, metadataOf(shape, type, relu), tensorsOf(shape, type), (tensor) => {
    const [columns = 1, rows] = tensor.shape;
    if (rows === undefined) return encodeTensor('F32', new Float32Array(columns).fill(1));
    // Layers add up; smaller outputs keep the sum of all of them near the size of one.
    const damping = /attn_output|ffn_down/.test(tensor.name) ? Math.sqrt(2 * shape.layers) : 1;
    return randomMatrix(tensor.type, columns * rows, 1 / Math.sqrt(columns) / damping, random);
  });
}

/** @param {typeof DEFAULT_SHAPE} shape @param {WeightType} type */
function tensorsOf(shape, type) {
  const { dModel, nFf, vocab } = shape;
  const kvSize = (dModel / shape.heads) * shape.kvHeads;
  /** @param {string} name @param {number} columns @param {number} rows */
  const matrix = (name, columns, rows) => ({
    name: `${name}.weight`,
    shape: [columns, rows],
    type,
  });
  /** @param {string} name */
  const norm = (name) => ({
    name: `${name}.weight`,
    shape: [dModel],
    type: /** @type {WeightType} */ ('F32'),
  });
  const tensors = [matrix('token_embd', dModel, vocab)];
  for (let i = 0; i < shape.layers; i++) {
    tensors.push(
      norm(`blk.${i}.attn_norm`),
      matrix(`blk.${i}.attn_q`, dModel, dModel),
      matrix(`blk.${i}.attn_k`, dModel, kvSize),
      matrix(`blk.${i}.attn_v`, dModel, kvSize),
      matrix(`blk.${i}.attn_output`, dModel, dModel),
      norm(`blk.${i}.ffn_norm`),
      matrix(`blk.${i}.ffn_gate`, dModel, nFf),
      matrix(`blk.${i}.ffn_up`, dModel, nFf),
      matrix(`blk.${i}.ffn_down`, nFf, dModel),
    );
  }
  return [...tensors, norm('output_norm'), matrix('output', dModel, vocab)];
}

/** @param {typeof DEFAULT_SHAPE} shape @param {WeightType} type @param {boolean} relu */
function metadataOf(shape, type, relu) {
  const vocabulary = makeVocabulary(shape.vocab);
  /** @param {number} value @returns {Entry} */
  const u32 = (value) => ({ type: 'u32', value });
  /** @param {string} value @returns {Entry} */
  const string = (value) => ({ type: 'string', value });
  return new Map([
    ['general.architecture', string('llama')],
    ['general.name', string(`synthetic llama ${shape.dModel}x${shape.layers}`)],
    ['general.file_type', u32(WEIGHT_TYPES[type].fileType)],
    ['general.quantization_version', u32(2)],
    ['llama.context_length', u32(shape.context)],
    ['llama.embedding_length', u32(shape.dModel)],
    ['llama.block_count', u32(shape.layers)],
    ['llama.feed_forward_length', u32(shape.nFf)],
    ['llama.attention.head_count', u32(shape.heads)],
    ['llama.attention.head_count_kv', u32(shape.kvHeads)],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
    ['llama.rope.dimension_count', u32(shape.dModel / shape.heads)],
    ['llama.rope.freq_base', { type: 'f32', value: 10_000 }],
    ['llama.vocab_size', u32(shape.vocab)],
    ...(relu ? [/** @type {[string, Entry]} */ (['llama.hidden_act', string('relu')])] : []),
    ['tokenizer.ggml.model', string('llama')],
    ['tokenizer.ggml.pre', string('default')],
    ['tokenizer.ggml.tokens', { type: 'array', item: 'string', value: vocabulary.tokens }],
    ['tokenizer.ggml.scores', { type: 'array', item: 'f32', value: vocabulary.scores }],
    ['tokenizer.ggml.token_type', { type: 'array', item: 'i32', value: vocabulary.types }],
    ['tokenizer.ggml.unknown_token_id', u32(0)],
    ['tokenizer.ggml.bos_token_id', u32(1)],
    ['tokenizer.ggml.eos_token_id', u32(2)],
  ]);
}

/**
 * A SentencePiece vocabulary: three control tokens, every byte, the printable characters and made-up
 * syllables; longer pieces score lower, so the tokenizer builds them from shorter ones.
 *
 * @param {number} size
 */
function makeVocabulary(size) {
  const tokens = ['<unk>', '<s>', '</s>'];
  const types = [2, 3, 3];
  for (let byte = 0; byte < 256; byte++) {
    tokens.push(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    types.push(6);
  }
  const pieces = ['▁', ...Array.from({ length: 94 }, (_, i) => String.fromCharCode(33 + i))];
  const consonants = 'bcdfghjklmnpqrstvwxyz';
  const syllables = [...consonants].flatMap((c) => [...'aeiou'].map((v) => c + v));
  pieces.push(...syllables, ...syllables.map((s) => `▁${s}`));
  for (const first of syllables) for (const second of syllables) pieces.push(first + second);
  for (const first of syllables) for (const second of syllables) pieces.push(`▁${first}${second}`);
  // Three syllables, as many as it takes.
  for (let i = 0; pieces.length < size; i++) {
    const [a, b, c] = [i % 105, Math.floor(i / 105) % 105, Math.floor(i / 105 ** 2) % 105];
    pieces.push(`${syllables[a]}${syllables[b]}${syllables[c]}`);
  }
  tokens.push(...pieces.slice(0, size - tokens.length));
  while (types.length < size) types.push(1);
  const scores = tokens.map((_, id) => (types[id] === 1 ? -id : 0));
  return { tokens, types, scores };
}

/**
 * Random values of the given standard deviation, drawn in the encoded form.
 *
 * @param {WeightType} type @param {number} count @param {number} deviation @param {Random} random
 */
function randomMatrix(type, count, deviation, random) {
  const data = new Uint8Array(Math.ceil(encodedBytes(type, count) / 4) * 4);
  const bytes = data.subarray(0, encodedBytes(type, count));
  if (type === 'Q4_0' || type === 'Q8_0') {
    random.fill(data);
    // Steps are uniform: -8…7 or -128…127. A scale of either sign keeps the mean at zero.
    const steps = type === 'Q4_0' ? 16 : 256;
    const scale = toHalf(deviation / Math.sqrt((steps * steps - 1) / 12));
    const blockBytes = WEIGHT_TYPES[type].bytes;
    for (let at = 0; at < bytes.length; at += blockBytes) {
      bytes[at] = scale & 255;
      bytes[at + 1] = (scale >>> 8) | (random.next() & 128);
    }
    return bytes;
  }
  if (type in K_NOISE) {
    const { d, dmin, deviation: unit, zero } = K_NOISE[/** @type {KQuant} */ (type)];
    random.fill(data);
    for (let at = 0; at < bytes.length; at += WEIGHT_TYPES[type].bytes) {
      putHalf(bytes, at + d, deviation / unit);
      if (dmin !== undefined) putHalf(bytes, at + dmin, (zero * deviation) / unit);
    }
    return bytes;
  }
  const half = Math.sqrt(3) * deviation; // of the width of a uniform distribution
  if (type === 'F32') {
    const values = new Float32Array(count);
    for (let i = 0; i < count; i++) values[i] = (random.next() / 2 ** 31 - 1) * half;
    return encodeTensor('F32', values);
  }
  const convert = type === 'F16' ? toHalf : toBfloat;
  const table = Uint16Array.from({ length: 4096 }, (_, i) =>
    convert(((i + 0.5) / 2048 - 1) * half),
  );
  const words = new Uint16Array(data.buffer, 0, count);
  for (let i = 0; i < count; i++) words[i] = table[random.next() >>> 20] ?? 0;
  return bytes;
}

/** @param {Uint8Array} bytes @param {number} at @param {number} value */
function putHalf(bytes, at, value) {
  const half = toHalf(value);
  bytes[at] = half & 255;
  bytes[at + 1] = half >>> 8;
}

/** Marsaglia's xorshift with 128 bits of state. */
class Random {
  /** @param {number} seed */
  constructor(seed) {
    this.state = Uint32Array.from([seed ^ 0x9e3779b9, 0x243f6a88, 0xb7e15162, seed + 0x71374491]);
    for (let i = 0; i < 64; i++) this.next();
  }

  /** @returns {number} 32 random bits */
  next() {
    const state = this.state;
    const [first = 0, second = 0, third = 0, last = 0] = [state[0], state[1], state[2], state[3]];
    const mixed = first ^ (first << 11);
    state[0] = second;
    state[1] = third;
    state[2] = last;
    state[3] = last ^ (last >>> 19) ^ mixed ^ (mixed >>> 8);
    return state[3] ?? 0;
  }

  /** @param {Uint8Array} data whole words */
  fill(data) {
    const words = new Uint32Array(data.buffer, data.byteOffset, data.byteLength / 4);
    for (let i = 0; i < words.length; i++) words[i] = this.next();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      type: { type: 'string', default: 'Q4_0' },
      seed: { type: 'string', default: '1' },
      relu: { type: 'boolean', default: false },
      shape: { type: 'string', default: '{}' },
    },
  });
  const [path] = positionals;
  const type = values.type.toUpperCase();
  if (path === undefined || !(type in WEIGHT_TYPES)) {
    console.error(
      'usage: node e2e/tools/synth-llama.mjs OUTPUT [--type Q4_0] [--seed 1] [--relu]\n' +
        `       [--shape '${JSON.stringify(DEFAULT_SHAPE)}']`,
    );
    process.exit(2);
  }
  writeSynthLlama(path, {
    ...JSON.parse(values.shape),
    type: /** @type {WeightType} */ (type),
    seed: Number(values.seed),
    relu: values.relu,
  });
}

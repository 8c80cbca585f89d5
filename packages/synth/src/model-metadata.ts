import type { GgufValue } from './gguf-header.js';
import type { SyntheticLayout } from './model-tensors.js';
import { RECIPE_VERSION, type Recipe } from './recipe.js';
import { plantsSparsity, type SyntheticShape } from './shapes.js';
import { vocabularyEntries } from './vocabulary.js';
import { type SyntheticType, TYPE_FACTS } from './weight-types.js';

/** All keys of a file. What it is made of stands first, and so does that it is synthetic. */
export function modelMetadata(
  recipe: Recipe,
  type: SyntheticType,
  layout: SyntheticLayout,
): Map<string, GgufValue> {
  const { name, shape } = recipe;
  const percent = Math.round(1000 * recipe.sparsity) / 10;
  const planted = plantsSparsity(shape) ? `${percent} % sparse, ` : '';
  return new Map([
    ['general.architecture', string(shape.arch)],
    ['general.name', string(`synthetic ${name}, ${planted}seed ${recipe.seed}`)],
    ['general.description', string('Random weights for benchmarks: what it says is noise.')],
    ['general.file_type', u32(TYPE_FACTS[type].fileType)],
    ['general.quantization_version', u32(2)],
    ...synthetic(recipe),
    ['thermocline.activation', string(shape.activation)],
    ...(layout === 'packed'
      ? [['thermocline.layout', string('neuron-major')] as [string, GgufValue]]
      : []),
    ...sizes(shape, recipe.layers),
    ...vocabularyEntries(shape.vocab),
  ]);
}

function synthetic(recipe: Recipe): [string, GgufValue][] {
  const { name, sparsity, skew, rank, predictability, order, layers, seed } = recipe;
  const key = (part: string) => `thermocline.synthetic.${part}`;
  return [
    ['thermocline.synthetic', { type: 'bool', value: true }],
    [key('recipe'), u32(RECIPE_VERSION)],
    [key('shape'), string(name)],
    [key('seed'), u32(seed)],
    [key('layers'), u32(layers)],
    [key('sparsity'), { type: 'f64', value: sparsity }],
    [key('skew'), { type: 'f64', value: skew }],
    [key('rank'), u32(rank)],
    [key('predictability'), { type: 'f64', value: predictability }],
    ...(order === 'random' ? [] : [[key('order'), string(order)] as [string, GgufValue]]),
  ];
}

function sizes(shape: SyntheticShape, layers: number): [string, GgufValue][] {
  const { arch, dModel, context, heads, kvHeads, headDim, nFf, vocab } = shape;
  const key = (part: string) => `${arch}.${part}`;
  const rope: [string, GgufValue][] = [
    [key('rope.dimension_count'), u32(headDim)],
    [key('rope.freq_base'), f32(10_000)],
  ];
  const rms: [string, GgufValue] = [key('attention.layer_norm_rms_epsilon'), f32(1e-5)];
  const mean: [string, GgufValue] = [key('attention.layer_norm_epsilon'), f32(1e-5)];
  const common: [string, GgufValue][] = [
    [key('context_length'), u32(context)],
    [key('embedding_length'), u32(dModel)],
    [key('block_count'), u32(layers)],
    [key('attention.head_count'), u32(heads)],
    [key('vocab_size'), u32(vocab)],
  ];
  const plain: [string, GgufValue][] = [
    [key('feed_forward_length'), u32(nFf)],
    [key('attention.head_count_kv'), u32(kvHeads)],
  ];
  switch (arch) {
    case 'llama':
      return [...common, ...plain, rms, ...rope];
    case 'opt':
      return [...common, ...plain, mean];
    case 'falcon':
      return [...common, ...plain, mean, [key('tensor_data_layout'), string('jploski')]];
    case 'nemotron_h_moe':
      return [...common, ...mixture(shape, layers, key), rms, ...rope];
  }
}

/** Attention and experts take turns, so what a layer lacks is a zero in a list. */
function mixture(
  { nFf, kvHeads, headDim, experts }: SyntheticShape,
  layers: number,
  key: (part: string) => string,
): [string, GgufValue][] {
  const turns = (even: number, odd: number): GgufValue => ({
    type: 'array',
    item: 'u32',
    value: Array.from({ length: layers }, (_, layer) => (layer % 2 === 0 ? even : odd)),
  });
  return [
    [key('feed_forward_length'), turns(0, nFf)],
    [key('attention.head_count_kv'), turns(kvHeads, 0)],
    [key('attention.key_length'), u32(headDim)],
    [key('attention.value_length'), u32(headDim)],
    [key('expert_count'), u32(experts?.count ?? 0)],
    [key('expert_used_count'), u32(experts?.used ?? 0)],
    [key('expert_feed_forward_length'), u32(nFf)],
    [key('expert_shared_count'), u32(1)],
    [key('expert_shared_feed_forward_length'), u32(experts?.sharedFf ?? 0)],
  ];
}

function u32(value: number): GgufValue {
  return { type: 'u32', value };
}

function f32(value: number): GgufValue {
  return { type: 'f32', value };
}

function string(value: string): GgufValue {
  return { type: 'string', value };
}

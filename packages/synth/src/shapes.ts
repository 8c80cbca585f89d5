/** How the feed-forward network of a shape is built. */
export type SyntheticActivation = 'silu' | 'relu' | 'drelu' | 'relu2';

/** The sizes of a known model. The parameters of a file of this shape are noise. */
export interface SyntheticShape {
  /** One line for people. */
  about: string;
  arch: 'llama' | 'opt' | 'falcon' | 'nemotron_h_moe';
  layers: number;
  /** Layers of the model that the shape is of, where fewer are written by default. */
  fullLayers?: number;
  dModel: number;
  /** Neurons per layer; of a mixture: per expert. */
  nFf: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  vocab: number;
  context: number;
  activation: SyntheticActivation;
  /** Share of the neurons that a token leaves at zero, unless asked otherwise. */
  sparsity: number;
  experts?: { count: number; used: number; sharedFf: number };
}

/** Whether a model of this shape leaves neurons at zero: with SiLU every neuron fires. */
export function plantsSparsity({ activation }: SyntheticShape): boolean {
  return activation !== 'silu';
}

type Sizes = Pick<SyntheticShape, 'layers' | 'dModel' | 'nFf' | 'heads' | 'kvHeads'>;

function llama(about: string, sizes: Sizes, rest: Partial<SyntheticShape> = {}): SyntheticShape {
  return {
    about,
    arch: 'llama',
    ...sizes,
    headDim: sizes.dModel / sizes.heads,
    vocab: 32_000,
    context: 4096,
    activation: 'relu',
    sparsity: 0.9,
    ...rest,
  };
}

function opt(about: string, sizes: Omit<Sizes, 'kvHeads'>): SyntheticShape {
  return {
    about,
    arch: 'opt',
    ...sizes,
    kvHeads: sizes.heads,
    headDim: sizes.dModel / sizes.heads,
    vocab: 50_272,
    context: 2048,
    activation: 'relu',
    sparsity: 0.97,
  };
}

function falcon(about: string, sizes: Sizes): SyntheticShape {
  return {
    about,
    arch: 'falcon',
    ...sizes,
    headDim: sizes.dModel / sizes.heads,
    vocab: 65_024,
    context: 2048,
    activation: 'relu',
    sparsity: 0.95,
  };
}

/** Attention and experts in turns, as Nemotron has them, without its recurrent layers. */
function mixture(
  about: string,
  sizes: Sizes,
  experts: NonNullable<SyntheticShape['experts']>,
): SyntheticShape {
  return {
    about,
    arch: 'nemotron_h_moe',
    ...sizes,
    headDim: sizes.dModel / sizes.heads,
    vocab: 131_072,
    context: 4096,
    activation: 'relu2',
    sparsity: 0.85,
    experts,
  };
}

const TINY = { layers: 2, dModel: 256, nFf: 1024, heads: 4, kvHeads: 2 };
const TINY_FILE = { vocab: 1024, context: 512, sparsity: 0.9 };
const small = { layers: 12, dModel: 768, nFf: 3072, heads: 12, kvHeads: 12 };
const tinyllama = { layers: 22, dModel: 2048, nFf: 5632, heads: 32, kvHeads: 4 };

/** The shapes that can be written, by name. */
export const SHAPES = {
  tiny: llama('for tests', TINY, TINY_FILE),
  'tiny-drelu': llama('for tests: ReLU of gate and up', TINY, {
    ...TINY_FILE,
    activation: 'drelu',
  }),
  'tiny-opt': { ...opt('for tests: OPT', TINY), ...TINY_FILE },
  'tiny-falcon': {
    ...falcon('for tests: Falcon', TINY),
    ...TINY_FILE,
  },
  'tiny-moe': {
    ...mixture('for tests: a mixture', { ...TINY, nFf: 256 }, { count: 8, used: 2, sharedFf: 256 }),
    ...TINY_FILE,
  },
  'llama-160m': llama('a small Llama, SiLU', small, { context: 2048, activation: 'silu' }),
  'llama-160m-relu': llama('a small Llama with a ReLU gate', small, {
    context: 2048,
    sparsity: 0.5,
  }),
  'tinyllama-1.1b': llama('TinyLlama, SiLU: the dense 1B of benchmarks', tinyllama, {
    context: 2048,
    activation: 'silu',
  }),
  'tinyllama-1.1b-relu': llama('TinyLlama with a ReLU gate', tinyllama, { context: 2048 }),
  'opt-1.3b': opt('OPT, plain ReLU', { layers: 24, dModel: 2048, nFf: 8192, heads: 32 }),
  'opt-6.7b': opt('OPT, plain ReLU', { layers: 32, dModel: 4096, nFf: 16_384, heads: 32 }),
  'llama-7b-reglu': llama('Llama 2 with a ReLU gate', {
    layers: 32,
    dModel: 4096,
    nFf: 11_008,
    heads: 32,
    kvHeads: 32,
  }),
  'bamboo-7b': llama(
    'Bamboo: Mistral with ReLU of gate and up',
    { layers: 32, dModel: 4096, nFf: 14_336, heads: 32, kvHeads: 8 },
    { activation: 'drelu' },
  ),
  'falcon-40b': {
    ...falcon('Falcon with ReLU, cut to a few layers; not computed by the engine yet', {
      layers: 4,
      dModel: 8192,
      nFf: 32_768,
      heads: 128,
      kvHeads: 8,
    }),
    fullLayers: 60,
  },
  'relu2-moe-128': {
    ...mixture(
      '128 experts of squared ReLU, cut to a few layers; not computed by the engine yet',
      { layers: 4, dModel: 2688, nFf: 1856, heads: 32, kvHeads: 2 },
      { count: 128, used: 6, sharedFf: 3712 },
    ),
    headDim: 128,
    fullLayers: 52,
  },
} as const satisfies Record<string, SyntheticShape>;

/** The name of a shape. */
export type ShapeName = keyof typeof SHAPES;

import {
  ASSUMED_TYPE,
  type KvType,
  type ModelInfo,
  rowBytes,
  type WeightRole,
  weightType,
} from '@thermocline/contracts';

/** Tokens that the engine takes through the weights at once; its working memory is made for them. */
const BATCH_TOKENS = 256;
/** Partial sums and lists of active neurons that the engine keeps, whatever the thread count. */
const LANES = 32;
/** Neurons per task of a batch. */
const ROW_CHUNK = 64;
// Attention of the engine: positions of a block of keys and of a piece, queries that pass together
// and in a block, and what is kept of a query besides its values.
const KEY_BLOCK = 16;
const ATTENTION_PIECE = 256;
const ATTENTION_ROWS = 12;
const ATTENTION_BLOCK = 48;
const ATTENTION_SUM_BYTES = 16;
const ALIGNMENT = 64;
/** Flash is read directly, in whole pages, into slots that are there from the start. */
const PAGE_BYTES = 4096;
const STAGING_SLOTS = 64;

/** Positions of these come from a table, which has so many more rows than the context. */
const POSITION_TABLES: Record<string, number> = { opt: 2, gpt2: 0, starcoder: 0 };

/** What the working memory depends on beside the model. */
export interface MemoryOptions {
  /** Tokens the KV cache holds. */
  contextTokens: number;
  kvType: KvType;
  /** Threads of the engine. */
  threads: number;
}

/** Bytes of one neuron's rows. */
export interface NeuronBytes {
  /** 0 without a gate. */
  gate: number;
  up: number;
  down: number;
  /** All of them: what the neuron takes wherever it lives. */
  bundle: number;
}

/** Bytes of everything a model needs, by what it is for. */
export interface MemoryModel {
  neuron: NeuronBytes;
  /** Matrices of one layer's attention, and the router of a mixture. */
  attention: number;
  /** Norms and biases of one layer, kept as F32. */
  vectors: number;
  /** Keys and values of one layer. */
  kv: number;
  /** The table of token embeddings. */
  tokenTable: number;
  /** It, and the table of positions where the model has one. */
  embeddings: number;
  /** The output head; 0 where it is the embedding table. */
  head: number;
  /** Working memory of a processor that computes attention and neurons. */
  scratch: number;
  /** Slots that neurons are read into from flash. */
  staging: number;
  /** What had to be assumed, for people. */
  assumptions: string[];
}

/**
 * Bytes of everything, from the description of a model alone. It follows what the native engine
 * reserves, so that a plan made elsewhere holds there.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when a weight type is not known
 *
 * @example
 * const { neuron } = modelMemory(profile.model, { contextTokens: 2048, kvType: 'f16', threads: 8 });
 */
export function modelMemory(model: ModelInfo, options: MemoryOptions): MemoryModel {
  const neuron = neuronBytes(model);
  return {
    neuron,
    attention: attentionBytes(model),
    vectors: vectorBytes(model),
    kv: kvBytes(model, options),
    tokenTable: tableBytes(model, model.vocab),
    embeddings: tableBytes(model, model.vocab) + tableBytes(model, positionRows(model)),
    head: model.tied ? 0 : aligned(model.vocab * rowBytes(model, 'head', model.d_model)),
    scratch: transformerScratch(model, options) + ffnScratch(model),
    staging: STAGING_SLOTS * roundUp(neuron.bundle, PAGE_BYTES),
    assumptions: assumptions(model),
  };
}

/**
 * Bytes of `count` neurons of a layer as a tier holds them: each matrix begins on a cache line. Of a
 * mixture every expert has its own, so this is the most that they take, whichever neurons they are.
 */
export function neuronMatrixBytes(neuron: NeuronBytes, count: number, experts = 1): number {
  const { gate, up, down, bundle } = neuron;
  if (experts > 1) return count * bundle + alignmentSlack(neuron, Math.min(experts, count));
  return aligned(count * gate) + aligned(count * up) + aligned(count * down);
}

/** The most that alignment can add to the neurons of one layer on one tier. */
export function alignmentSlack({ gate, up, down }: NeuronBytes, experts: number): number {
  const slack = (row: number) => (row % ALIGNMENT === 0 ? 0 : ALIGNMENT - 1);
  return experts * (slack(gate) + slack(up) + slack(down));
}

/** Bytes that one direct read of a bundle takes from flash. */
export function flashReadBytes(bytes: number): number {
  return roundUp(bytes, PAGE_BYTES);
}

/** Rows of the table of positions; 0 where positions are rotations, as in most models. */
function positionRows({ arch, context }: ModelInfo): number {
  if (!Object.hasOwn(POSITION_TABLES, arch)) return 0;
  return context + (POSITION_TABLES[arch] as number);
}

function neuronBytes(model: ModelInfo): NeuronBytes {
  const gate = model.gated ? rowBytes(model, 'gate', model.d_model) : 0;
  const up = rowBytes(model, 'up', model.d_model);
  // Stored transposed, so that a neuron's column is a row of d_model weights.
  const down = rowBytes(model, 'down', model.d_model);
  return { gate, up, down, bundle: gate + up + down };
}

function attentionBytes(model: ModelInfo): number {
  const { d_model, heads, kv_heads, head_dim } = model;
  const matrix = (rows: number, width: number) =>
    aligned(rows * rowBytes(model, 'attention', width));
  const router = model.experts > 1 ? aligned(4 * model.experts * d_model) : 0;
  return (
    matrix(heads * head_dim, d_model) +
    2 * matrix(kv_heads * head_dim, d_model) +
    matrix(d_model, heads * head_dim) +
    router
  );
}

function vectorBytes(model: ModelInfo): number {
  const { d_model, heads, kv_heads, head_dim } = model;
  if (positionRows(model) === 0) return 4 * 2 * d_model;
  // LayerNorm has a bias, and so have the matrices of this family.
  const biases = (heads + 2 * kv_heads) * head_dim + 2 * d_model + Math.max(...model.n_ff);
  return 4 * (4 * d_model + biases);
}

/** As `KvShape::LayerBytes` of the engine: keys lie in whole blocks of positions. */
function kvBytes({ kv_heads, head_dim }: ModelInfo, options: MemoryOptions): number {
  const { contextTokens, kvType } = options;
  const keyPositions = Math.ceil(contextTokens / KEY_BLOCK) * KEY_BLOCK;
  return kv_heads * head_dim * (keyPositions + contextTokens) * (kvType === 'f32' ? 4 : 2);
}

function tableBytes(model: ModelInfo, rows: number): number {
  return aligned(rows * rowBytes(model, 'embedding', model.d_model));
}

/** As `Transformer::ScratchBytes` of the engine. */
function transformerScratch(model: ModelInfo, { contextTokens, threads }: MemoryOptions): number {
  const { d_model, heads, kv_heads, head_dim } = model;
  const widest = Math.max(d_model, heads * head_dim);
  const rotary = positionRows(model) === 0 ? head_dim : 0;
  const floats = 4 * d_model + 2 * heads * head_dim + 2 * kv_heads * head_dim + rotary;
  // A scale and two sums for every 32 inputs.
  const quantised = widest + 12 * (Math.floor(widest / 32) + 1);
  const context = Math.min(contextTokens, model.context);
  return BATCH_TOKENS * (4 * floats + quantised) + attentionScratch(model, context, threads);
}

/** As `CachedAttention::ScratchBytes`. */
function attentionScratch(model: ModelInfo, context: number, threads: number): number {
  const { heads, kv_heads, head_dim } = model;
  const group = Math.floor(heads / kv_heads);
  const queries = Math.max(1, Math.floor(ATTENTION_BLOCK / group)) * group;
  const thread = 4 * ATTENTION_ROWS * (ATTENTION_PIECE + head_dim) + ATTENTION_SUM_BYTES * queries;
  const parts = heads * Math.ceil(context / ATTENTION_PIECE);
  return threads * thread + parts * (4 * head_dim + ATTENTION_SUM_BYTES);
}

/** As `CpuTier::ScratchBytes`, for the widest block: one expert, or the layer. */
function ffnScratch({ n_ff, experts, d_model }: ModelInfo): number {
  const neurons = Math.max(...n_ff) / experts;
  const floats = 2 * BATCH_TOKENS * neurons + Math.max(LANES, BATCH_TOKENS) * d_model;
  const lists = 2 * LANES * Math.ceil(Math.ceil(neurons / LANES) / LANES) * LANES;
  // For every chunk of rows a mask and two counts per token, and which rows any token needs.
  const marks = Math.ceil(neurons / ROW_CHUNK) * (BATCH_TOKENS * 16 + 8);
  return 4 * (floats + lists) + marks + LANES * 8;
}

function assumptions(model: ModelInfo): string[] {
  const parts: WeightRole[] = ['embedding', 'attention', 'up', 'down'];
  if (model.gated) parts.push('gate');
  if (!model.tied) parts.push('head');
  const unknown = parts.filter((role) => weightType(model, role) === undefined);
  if (unknown.length === 0) return [];
  return [
    `The model does not say the weight type of ${unknown.join(', ')}: ${ASSUMED_TYPE} is assumed`,
  ];
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}

function aligned(bytes: number): number {
  return roundUp(bytes, ALIGNMENT);
}

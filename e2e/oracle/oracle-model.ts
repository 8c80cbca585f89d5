import { elementCount, type GgufFile, readGguf, readTensor } from '../tools/gguf.mjs';
import { decodeTensor } from '../tools/tensor-codec.mjs';

/** A matrix as a linear map: `rows` outputs from `columns` inputs, row after row. */
export interface Matrix {
  rows: number;
  columns: number;
  values: Float64Array;
}

/** A linear map with an optional bias. */
export interface Linear {
  weight: Matrix;
  bias: Float64Array | null;
}

/** A norm's weight, and its bias for LayerNorm; without one it is RMSNorm. */
export interface Norm {
  weight: Float64Array;
  bias: Float64Array | null;
}

export interface OracleLayer {
  attentionNorm: Norm;
  query: Linear;
  key: Linear;
  value: Linear;
  attentionOutput: Linear;
  ffnNorm: Norm;
  gate: Linear | null;
  up: Linear;
  down: Linear;
}

/** A model's dequantised weights in double precision, with what the forward pass must know. */
export interface OracleModel {
  heads: number;
  kvHeads: number;
  headSize: number;
  epsilon: number;
  /** 0: no rotation. */
  ropeBase: number;
  activation: 'relu' | 'silu';
  embedding: Matrix;
  /** Learned positions, whose first two rows are not used. */
  positions: Matrix | null;
  layers: OracleLayer[];
  outputNorm: Norm;
  head: Matrix;
}

/** Reads a `llama` or `opt` GGUF file of any weight type that `decodeTensor` knows. */
export function loadOracleModel(path: string): OracleModel {
  const gguf = readGguf(path);
  const architecture = text(gguf, 'general.architecture');
  if (architecture !== 'llama' && architecture !== 'opt') {
    throw new Error(`The oracle does not know ${String(architecture)}`);
  }
  const count = (key: string): number => numeric(gguf, `${architecture}.${key}`);
  const heads = count('attention.head_count');
  const isLlama = architecture === 'llama';
  const embedding = requireMatrix(gguf, 'token_embd.weight');
  return {
    heads,
    kvHeads: numeric(gguf, `${architecture}.attention.head_count_kv`, heads),
    headSize: count('embedding_length') / heads,
    epsilon: isLlama
      ? count('attention.layer_norm_rms_epsilon')
      : numeric(gguf, 'opt.attention.layer_norm_epsilon', 1e-5),
    ropeBase: isLlama ? numeric(gguf, 'llama.rope.freq_base', 10_000) : 0,
    activation: !isLlama || text(gguf, 'llama.hidden_act') === 'relu' ? 'relu' : 'silu',
    embedding,
    positions: matrix(gguf, 'position_embd.weight'),
    layers: Array.from({ length: count('block_count') }, (_, i) => layer(gguf, `blk.${i}`)),
    outputNorm: norm(gguf, 'output_norm'),
    head: matrix(gguf, 'output.weight') ?? embedding,
  };
}

function layer(gguf: GgufFile, prefix: string): OracleLayer {
  const gate = matrix(gguf, `${prefix}.ffn_gate.weight`);
  return {
    attentionNorm: norm(gguf, `${prefix}.attn_norm`),
    query: linear(gguf, `${prefix}.attn_q`),
    key: linear(gguf, `${prefix}.attn_k`),
    value: linear(gguf, `${prefix}.attn_v`),
    attentionOutput: linear(gguf, `${prefix}.attn_output`),
    ffnNorm: norm(gguf, `${prefix}.ffn_norm`),
    gate: gate === null ? null : { weight: gate, bias: null },
    up: linear(gguf, `${prefix}.ffn_up`),
    down: linear(gguf, `${prefix}.ffn_down`),
  };
}

function linear(gguf: GgufFile, prefix: string): Linear {
  return {
    weight: requireMatrix(gguf, `${prefix}.weight`),
    bias: matrix(gguf, `${prefix}.bias`)?.values ?? null,
  };
}

function norm(gguf: GgufFile, prefix: string): Norm {
  return {
    weight: requireMatrix(gguf, `${prefix}.weight`).values,
    bias: matrix(gguf, `${prefix}.bias`)?.values ?? null,
  };
}

function requireMatrix(gguf: GgufFile, name: string): Matrix {
  const found = matrix(gguf, name);
  if (found === null) throw new Error(`${gguf.path} has no tensor ${name}`);
  return found;
}

function matrix(gguf: GgufFile, name: string): Matrix | null {
  const tensor = gguf.tensors.find((candidate) => candidate.name === name);
  if (tensor === undefined) return null;
  const values = decodeTensor(tensor.type, readTensor(gguf, tensor), elementCount(tensor));
  const columns = tensor.shape[0] ?? 0;
  return { rows: values.length / columns, columns, values };
}

function numeric(gguf: GgufFile, key: string, fallback?: number): number {
  const value = gguf.metadata.get(key)?.value ?? fallback;
  if (value === undefined) throw new Error(`${gguf.path} has no ${key}`);
  return Number(value);
}

function text(gguf: GgufFile, key: string): string | undefined {
  const value = gguf.metadata.get(key)?.value;
  return value === undefined ? undefined : String(value);
}

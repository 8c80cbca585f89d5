import { PipelineError } from './errors.js';
import type { ModelInfo } from './model-info.js';

/**
 * Weights that share scales, and the bytes they take together in memory, by the type's name in GGUF.
 * In files Q4_K and Q5_K take four bytes less: the engine widens their 6-bit scales to bytes.
 */
const BLOCKS: Record<string, readonly [weights: number, bytes: number]> = {
  F64: [1, 8],
  F32: [1, 4],
  F16: [1, 2],
  BF16: [1, 2],
  I8: [1, 1],
  Q4_0: [32, 18],
  Q4_1: [32, 20],
  Q5_0: [32, 22],
  Q5_1: [32, 24],
  Q8_0: [32, 34],
  Q2_K: [256, 84],
  Q3_K: [256, 110],
  Q4_K: [256, 148],
  Q5_K: [256, 180],
  Q6_K: [256, 210],
  Q8_K: [256, 292],
  IQ1_S: [256, 50],
  IQ1_M: [256, 56],
  IQ2_XXS: [256, 66],
  IQ2_XS: [256, 74],
  IQ2_S: [256, 82],
  IQ3_XXS: [256, 98],
  IQ3_S: [256, 110],
  IQ4_NL: [32, 18],
  IQ4_XS: [256, 136],
  TQ1_0: [256, 54],
  TQ2_0: [256, 66],
  MXFP4: [32, 17],
  NVFP4: [64, 36],
};

/** What a matrix of the model is stored as when the description does not say. */
export const ASSUMED_TYPE = 'F16';

/** A part of a model whose weights have one type, and the roles that may name it, finest first. */
const ROLES = {
  embedding: ['embedding'],
  attention: ['attention'],
  head: ['output', 'head', 'embedding'],
  gate: ['ffn_gate', 'ffn'],
  up: ['ffn_up', 'ffn'],
  down: ['ffn_down', 'ffn'],
} as const;

export type WeightRole = keyof typeof ROLES;

/** The weight type of a part, or `undefined` where the model does not say. */
export function weightType(model: ModelInfo, role: WeightRole): string | undefined {
  for (const name of ROLES[role]) {
    if (Object.hasOwn(model.weight_types, name)) return model.weight_types[name];
  }
  return undefined;
}

/** The type of a part whose weights share scales in blocks; `undefined` where each is on its own. */
export function blockType(model: ModelInfo, role: WeightRole): string | undefined {
  const type = weightType(model, role) ?? ASSUMED_TYPE;
  const block = Object.hasOwn(BLOCKS, type) ? BLOCKS[type] : undefined;
  return block !== undefined && block[0] > 1 ? type : undefined;
}

/**
 * Bytes of one row of `width` weights, as the engine holds them.
 *
 * @throws PipelineError `INVALID_ARGUMENT` when the type is not known
 */
export function rowBytes(model: ModelInfo, role: WeightRole, width: number): number {
  const type = weightType(model, role) ?? ASSUMED_TYPE;
  const block = Object.hasOwn(BLOCKS, type) ? BLOCKS[type] : undefined;
  if (block === undefined) {
    const known = Object.keys(BLOCKS).join(', ');
    const reason = `weight type "${type}" of ${role} is not known; known are ${known}`;
    throw new PipelineError('INVALID_ARGUMENT', `The model's ${reason}.`, {
      argument: 'model.weight_types',
      reason,
    });
  }
  return Math.ceil(width / block[0]) * block[1];
}

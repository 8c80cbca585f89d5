import type { EngineInfo, ModelInfo } from '@thermocline/contracts';
import type { RawEngineInfo, RawInspection } from './binding.js';

/** The addon's description of an engine in the words of the contract. */
export function toEngineInfo(raw: RawEngineInfo): EngineInfo {
  const { gated: _gated, tied: _tied, weightTypes: _types, model: _model, ...rest } = raw;
  return { ...rest, model: toModelInfo(raw) };
}

// Of each role the tensor that stands for it, as the engine chooses them.
const ROLES = {
  embedding: 'token_embd.weight',
  attention: 'blk.0.attn_q.weight',
  ffn: 'blk.0.ffn_up.weight',
  output: 'output.weight',
  ffn_gate: 'blk.0.ffn_gate.weight',
  ffn_down: 'blk.0.ffn_down.weight',
};

const PACKED_DOWN = /ffn_down_t\.(?=weight$)/;

/** The same description from the header of a file alone; null where its shape is not understood. */
export function describeInspected({ model, tensors }: RawInspection): ModelInfo | null {
  if (model === null) return null;
  // A packed file holds the down matrix neuron by neuron, under a name of its own.
  const types = new Map(
    tensors.map(({ name, type }) => [name.replace(PACKED_DOWN, 'ffn_down.'), type]),
  );
  const weightTypes: Record<string, string> = {};
  for (const [role, tensor] of Object.entries(ROLES)) {
    const type = types.get(tensor);
    const implied = role.startsWith('ffn_') && type === weightTypes['ffn'];
    if (type !== undefined && !implied) weightTypes[role] = type;
  }
  const gated = types.has(ROLES.ffn_gate);
  return toModelInfo({ model, gated, tied: !types.has(ROLES.output), weightTypes });
}

function toModelInfo({
  model,
  gated,
  tied,
  weightTypes,
}: Pick<RawEngineInfo, 'model' | 'gated' | 'tied' | 'weightTypes'>): ModelInfo {
  return {
    arch: model.arch,
    layers: model.layers,
    d_model: model.dModel,
    n_ff: model.nFf,
    experts: Math.max(1, model.experts),
    heads: model.heads,
    kv_heads: model.kvHeads,
    head_dim: model.headDim,
    vocab: model.vocab,
    tied,
    gated,
    activation: model.activation,
    context: model.context,
    weight_types: weightTypes,
    ...(model.synthetic && { synthetic: true as const }),
  };
}

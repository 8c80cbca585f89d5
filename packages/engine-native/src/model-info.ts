import type { EngineInfo, ModelInfo } from '@thermocline/contracts';
import type { RawEngineInfo } from './binding.js';

/** The addon's description of an engine in the words of the contract. */
export function toEngineInfo(raw: RawEngineInfo): EngineInfo {
  const { gated: _gated, tied: _tied, weightTypes: _types, model: _model, ...rest } = raw;
  return { ...rest, model: toModelInfo(raw) };
}

function toModelInfo({ model, gated, tied, weightTypes }: RawEngineInfo): ModelInfo {
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
  };
}

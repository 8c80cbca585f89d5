#include "io/tensor_names.h"

#include <array>
#include <span>

namespace thermocline {
namespace {

struct Rename {
  std::string_view from;
  std::string_view to;
};

// Without the trailing ".weight" or ".bias".
constexpr auto kLlamaTop = std::to_array<Rename>({
    {"embed_tokens", "token_embd"},
    {"norm", "output_norm"},
});
constexpr auto kLlamaLayer = std::to_array<Rename>({
    {"input_layernorm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.o_proj", "attn_output"},
    {"post_attention_layernorm", "ffn_norm"},
    {"mlp.gate_proj", "ffn_gate"},
    {"mlp.up_proj", "ffn_up"},
    {"mlp.down_proj", "ffn_down"},
});
constexpr auto kOptTop = std::to_array<Rename>({
    {"embed_tokens", "token_embd"},
    {"embed_positions", "position_embd"},
    {"final_layer_norm", "output_norm"},
});
constexpr auto kOptLayer = std::to_array<Rename>({
    {"self_attn_layer_norm", "attn_norm"},
    {"self_attn.q_proj", "attn_q"},
    {"self_attn.k_proj", "attn_k"},
    {"self_attn.v_proj", "attn_v"},
    {"self_attn.out_proj", "attn_output"},
    {"final_layer_norm", "ffn_norm"},
    {"fc1", "ffn_up"},
    {"fc2", "ffn_down"},
});

bool TakePrefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

std::optional<std::string_view> Lookup(std::span<const Rename> table, std::string_view name) {
  for (const Rename& rename : table) {
    if (rename.from == name) return rename.to;
  }
  return std::nullopt;
}

// Takes "12." off the front. A layer number is written without leading zeros, so
// that two names never mean one tensor.
std::optional<std::string_view> TakeLayerNumber(std::string_view& text) {
  const size_t dot = text.find('.');
  if (dot == 0 || dot == std::string_view::npos || dot > 6) return std::nullopt;
  const std::string_view digits = text.substr(0, dot);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  if (digits.size() > 1 && digits[0] == '0') return std::nullopt;
  text.remove_prefix(dot + 1);
  return digits;
}

}  // namespace

std::optional<std::string> CanonicalTensorName(std::string_view arch, std::string_view name) {
  if (name.ends_with("rotary_emb.inv_freq")) return "";
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view kind = name.substr(dot);
  if (kind != ".weight" && kind != ".bias") return std::nullopt;
  std::string_view stem = name.substr(0, dot);
  if (stem == "lm_head") return "output" + std::string(kind);

  const bool is_opt = arch == "opt";
  TakePrefix(stem, "model.");
  if (is_opt && !TakePrefix(stem, "decoder.")) return std::nullopt;
  if (!TakePrefix(stem, "layers.")) {
    const auto to = is_opt ? Lookup(kOptTop, stem) : Lookup(kLlamaTop, stem);
    if (!to) return std::nullopt;
    return std::string(*to) + std::string(kind);
  }
  const auto layer = TakeLayerNumber(stem);
  if (!layer) return std::nullopt;
  const auto to = is_opt ? Lookup(kOptLayer, stem) : Lookup(kLlamaLayer, stem);
  if (!to) return std::nullopt;
  return "blk." + std::string(*layer) + "." + std::string(*to) + std::string(kind);
}

}  // namespace thermocline

#include "io/hyperparameter_checks.h"

#include <algorithm>
#include <array>
#include <cmath>

namespace thermocline {
namespace {

Status Corrupt(const std::string& what, const ModelFile& file) {
  return Status(StatusCode::kModelCorrupt, "The model contradicts itself: " + what + ".",
                file.path());
}

struct Limit {
  const char* what;
  int64_t value;
  int64_t max;
};

}  // namespace

std::optional<std::string> CanonicalActivation(std::string_view name) {
  std::string lower(name.substr(0, 64));
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower == "silu" || lower == "swish") return "silu";
  if (lower == "relu" || lower == "drelu" || lower == "gelu") return lower;
  if (lower == "gelu_new" || lower == "gelu_fast" || lower == "gelu_tanh" ||
      lower == "gelu_pytorch_tanh") {
    return "gelu_tanh";
  }
  if (lower == "relu2" || lower == "relu_squared" || lower == "relu_sqr") return "relu2";
  return std::nullopt;
}

Status CheckHyperparameters(const Hyperparameters& hp, const ModelFile& file) {
  const auto limits = std::to_array<Limit>({
      {"the number of layers", hp.layers, kMaxLayers},
      {"the hidden size", hp.d_model, 1 << 20},
      {"the number of attention heads", hp.heads, 1 << 16},
      {"the number of key/value heads", hp.kv_heads, hp.heads},
      {"the head dimension", hp.head_dim, 1 << 16},
      {"the vocabulary size", hp.vocab, 1 << 24},
      {"the context length", hp.context, 1 << 28},
  });
  for (const Limit& limit : limits) {
    if (limit.value < 1 || limit.value > limit.max) {
      return Corrupt(std::string(limit.what) + " is " + std::to_string(limit.value) +
                         ", outside 1 to " + std::to_string(limit.max),
                     file);
    }
  }
  if (hp.heads % hp.kv_heads != 0) {
    return Corrupt(std::to_string(hp.heads) + " attention heads do not divide by " +
                       std::to_string(hp.kv_heads) + " key/value heads",
                   file);
  }
  if (hp.heads * hp.head_dim > (1 << 22)) {
    return Corrupt("heads times head dimension is " + std::to_string(hp.heads * hp.head_dim), file);
  }
  if (static_cast<int64_t>(hp.n_ff.size()) != hp.layers) {
    return Corrupt("there are " + std::to_string(hp.n_ff.size()) + " feed-forward sizes for " +
                       std::to_string(hp.layers) + " layers",
                   file);
  }
  for (const int64_t n : hp.n_ff) {
    if (n < 1 || n > (1 << 24)) {
      return Corrupt("a feed-forward size is " + std::to_string(n) + ", outside 1 to " +
                         std::to_string(1 << 24),
                     file);
    }
  }
  if (!(hp.norm_epsilon > 0.0F && hp.norm_epsilon < 1.0F)) {
    return Corrupt("the norm epsilon is " + std::to_string(hp.norm_epsilon), file);
  }
  if (hp.arch == "opt") {
    if (hp.heads * hp.head_dim != hp.d_model) {
      return Corrupt("heads times head dimension differs from the hidden size", file);
    }
    if (hp.position_offset < 0 || hp.position_offset > 16) {
      return Corrupt("the position offset is " + std::to_string(hp.position_offset), file);
    }
  } else {
    if (hp.rope_dim < 2 || hp.rope_dim > hp.head_dim || hp.rope_dim % 2 != 0) {
      return Corrupt(std::to_string(hp.rope_dim) + " rotated dimensions do not fit heads of " +
                         std::to_string(hp.head_dim),
                     file);
    }
    if (!std::isfinite(hp.rope_theta) || hp.rope_theta <= 0.0F) {
      return Corrupt("the RoPE base is not a positive number", file);
    }
    if (!std::isfinite(hp.rope_scale) || hp.rope_scale <= 0.0F) {
      return Corrupt("the RoPE scale is not a positive number", file);
    }
  }

  if (const TensorInfo* embedding = file.Find("token_embd.weight")) {
    if (embedding->shape.size() != 2 || embedding->shape[0] != hp.vocab ||
        embedding->shape[1] != hp.d_model) {
      return Corrupt("token_embd.weight is not " + std::to_string(hp.vocab) + " x " +
                         std::to_string(hp.d_model) + " (vocabulary x hidden size)",
                     file);
    }
  }
  if (const TensorInfo* positions = file.Find("position_embd.weight")) {
    if (positions->shape.size() != 2 || positions->shape[1] != hp.d_model ||
        positions->shape[0] < hp.context + hp.position_offset) {
      return Corrupt("position_embd.weight has no row for each of " + std::to_string(hp.context) +
                         " positions after the first " + std::to_string(hp.position_offset),
                     file);
    }
  }
  return Status::Ok();
}

}  // namespace thermocline

// GGUF keys to Hyperparameters. Which keys, and which of several wins, is written in
// docs/formats/gguf.md.
#include <algorithm>
#include <array>

#include "io/gguf_reader.h"
#include "io/hyperparameter_checks.h"
#include "io/text.h"

namespace thermocline {
namespace {

// The largest value any count can have before CheckHyperparameters looks closer;
// keeps the conversion to int64_t safe.
constexpr uint64_t kMaxCount = uint64_t{1} << 40;

class KeyReader {
 public:
  KeyReader(const GgufHeader& header, std::string arch)
      : header_(header), arch_(std::move(arch)) {}

  std::string Key(const char* suffix) const { return arch_ + "." + suffix; }
  bool Has(const char* suffix) const { return header_.Find(Key(suffix)) != nullptr; }

  Result<int64_t> Count(const char* suffix, std::optional<int64_t> fallback = {}) const {
    ASSIGN_OR_RETURN(const auto value, header_.GetUint(Key(suffix)));
    if (!value) {
      if (fallback) return *fallback;
      return Missing(suffix);
    }
    return Checked(*value, suffix);
  }

  Result<float> Number(const char* suffix, std::optional<float> fallback = {}) const {
    ASSIGN_OR_RETURN(const auto value, header_.GetFloat(Key(suffix)));
    if (value) return static_cast<float>(*value);
    if (fallback) return *fallback;
    return Missing(suffix);
  }

  // One number for all layers, or one for each.
  Result<std::vector<int64_t>> PerLayer(const char* suffix, int64_t layers,
                                        std::optional<int64_t> fallback = {}) const {
    ASSIGN_OR_RETURN(const auto list, header_.GetUintList(Key(suffix), kMaxLayers));
    const auto n = static_cast<size_t>(layers);
    if (!list) {
      if (fallback) return std::vector<int64_t>(n, *fallback);
      return Missing(suffix);
    }
    if (!list->lone && list->values.size() != n) {
      return Corrupt("the key " + Quoted(Key(suffix)) + " has " +
                     std::to_string(list->values.size()) + " items for " +
                     std::to_string(layers) + " layers");
    }
    std::vector<int64_t> values;
    values.reserve(n);
    for (size_t i = 0; i < n; ++i) {
      ASSIGN_OR_RETURN(const int64_t value, Checked(list->values[list->lone ? 0 : i], suffix));
      values.push_back(value);
    }
    return values;
  }

  Status Corrupt(const std::string& what) const {
    return Status(StatusCode::kModelCorrupt, "This GGUF file is damaged: " + what + ".",
                  header_.file().path());
  }
  Status Unsupported(const std::string& what) const {
    return Status(StatusCode::kModelUnsupported, what, header_.file().path());
  }
  Status Missing(const char* suffix) const {
    return Corrupt("the key " + Quoted(Key(suffix)) + " is missing");
  }

 private:
  Result<int64_t> Checked(uint64_t value, const char* suffix) const {
    if (value > kMaxCount) {
      return Corrupt("the key " + Quoted(Key(suffix)) + " is " + std::to_string(value) +
                     ", far too large");
    }
    return static_cast<int64_t>(value);
  }

  const GgufHeader& header_;
  std::string arch_;
};

// A model that uses one of these computes something else than what we run.
Status RefuseUnknownOptions(const GgufHeader& header, const KeyReader& keys) {
  ASSIGN_OR_RETURN(const int64_t experts, keys.Count("expert_count", 0));
  if (experts > 0) {
    return keys.Unsupported("This model is a mixture of " + std::to_string(experts) +
                            " experts; mixtures are not run yet.");
  }
  constexpr std::array kScales = {"attention.scale", "embedding_scale", "residual_scale",
                                  "logit_scale",     "attention.clamp_kqv",
                                  "attention.max_alibi_bias"};
  for (const char* scale : kScales) {
    ASSIGN_OR_RETURN(const float value, keys.Number(scale, 0.0F));
    if (value != 0.0F && value != 1.0F) {
      return keys.Unsupported("The key " + Quoted(keys.Key(scale)) +
                              " asks for something this engine does not do.");
    }
  }
  for (const char* option : {"attention.causal", "use_parallel_residual"}) {
    const bool usual = std::string_view(option) == "attention.causal";
    ASSIGN_OR_RETURN(const auto value, header.GetBool(keys.Key(option)));
    if (value && *value != usual) {
      return keys.Unsupported("The key " + Quoted(keys.Key(option)) +
                              " asks for something this engine does not do.");
    }
  }
  return Status::Ok();
}

Status ReadActivation(const GgufHeader& header, const KeyReader& keys, Hyperparameters& hp) {
  const std::array candidates = {std::string("thermocline.activation"), keys.Key("hidden_act"),
                                 keys.Key("hidden_activation"),
                                 keys.Key("feed_forward.activation"),
                                 keys.Key("activation_function")};
  for (const std::string& key : candidates) {
    ASSIGN_OR_RETURN(const auto name, header.GetString(key));
    if (!name) continue;
    const auto activation = CanonicalActivation(*name);
    if (!activation) {
      return keys.Unsupported("The activation " + Quoted(*name) + " (key " + Quoted(key) +
                              ") is not known.");
    }
    hp.activation = *activation;
    hp.activation_source = key;
    return Status::Ok();
  }
  // Files made for PowerInfer carry no activation but its predictors' threshold; all
  // of its models use ReLU.
  if (header.Find("powerinfer.sparse_threshold") != nullptr) {
    hp.activation = "relu";
    hp.activation_source = "powerinfer.sparse_threshold";
    return Status::Ok();
  }
  hp.activation = hp.arch == "opt" ? "relu" : "silu";
  hp.activation_source = "default of " + hp.arch;
  return Status::Ok();
}

// How our own packed files hold the down matrices: a row for each neuron.
Status ReadLayout(const GgufHeader& header, const KeyReader& keys, Hyperparameters& hp) {
  constexpr const char* kKey = "thermocline.layout";
  ASSIGN_OR_RETURN(const auto layout, header.GetString(kKey));
  if (layout && *layout != "neuron-major") {
    return keys.Unsupported("The layout " + Quoted(*layout) + " (key " + Quoted(kKey) +
                            ") is not known; \"neuron-major\" is. Pack the model again with this "
                            "version.");
  }
  hp.neuron_major = layout.has_value();
  return Status::Ok();
}

Status ReadRope(const GgufHeader& header, const KeyReader& keys, const ModelFile& file,
                Hyperparameters& hp) {
  ASSIGN_OR_RETURN(hp.rope_dim, keys.Count("rope.dimension_count", hp.head_dim));
  ASSIGN_OR_RETURN(hp.rope_theta, keys.Number("rope.freq_base", 10000.0F));
  ASSIGN_OR_RETURN(const auto scaling, header.GetString(keys.Key("rope.scaling.type")));
  const std::string type = scaling.value_or("linear");
  if (type != "linear" && type != "none") {
    return keys.Unsupported("The RoPE scaling " + Quoted(type) + " (key " +
                            Quoted(keys.Key("rope.scaling.type")) + ") is not supported.");
  }
  if (file.Find("rope_freqs.weight") != nullptr) {
    return keys.Unsupported(
        "RoPE frequency factors (tensor \"rope_freqs.weight\", as Llama 3.1 has them) are not "
        "supported.");
  }
  // Older files write the scale under its first name, without a type.
  ASSIGN_OR_RETURN(const float old_scale, keys.Number("rope.scale_linear", 1.0F));
  ASSIGN_OR_RETURN(const float factor, keys.Number("rope.scaling.factor", old_scale));
  if (type == "linear") hp.rope_scale = factor == 0.0F ? 1.0F : factor;
  hp.rope_layout = RopeLayout::kInterleaved;
  return Status::Ok();
}

}  // namespace

Result<Hyperparameters> ReadGgufHyperparameters(const GgufHeader& header, const ModelFile& file) {
  Hyperparameters hp;
  ASSIGN_OR_RETURN(const auto arch, header.GetString("general.architecture"));
  if (!arch) {
    return Status(StatusCode::kModelCorrupt,
                  "This GGUF file is damaged: the key \"general.architecture\" is missing.",
                  header.file().path());
  }
  if (*arch != "llama" && *arch != "opt") {
    return Status(StatusCode::kModelUnsupported,
                  "The architecture " + Quoted(*arch) + " is not supported; llama and opt are.",
                  header.file().path());
  }
  hp.arch = *arch;
  const KeyReader keys(header, hp.arch);
  const bool is_opt = hp.arch == "opt";
  ASSIGN_OR_RETURN(const auto name, header.GetString("general.name"));
  hp.name = name.value_or("");
  ASSIGN_OR_RETURN(const auto synthetic, header.GetBool("thermocline.synthetic"));
  hp.synthetic = synthetic.value_or(false);

  ASSIGN_OR_RETURN(hp.layers, keys.Count("block_count"));
  if (hp.layers < 1 || hp.layers > kMaxLayers) {
    return keys.Corrupt("the key " + Quoted(keys.Key("block_count")) + " is " +
                        std::to_string(hp.layers) + ", outside 1 to " +
                        std::to_string(kMaxLayers));
  }
  ASSIGN_OR_RETURN(hp.d_model, keys.Count("embedding_length"));
  ASSIGN_OR_RETURN(hp.context, keys.Count("context_length"));
  hp.context_source = keys.Key("context_length");
  ASSIGN_OR_RETURN(hp.n_ff, keys.PerLayer("feed_forward_length", hp.layers));
  ASSIGN_OR_RETURN(const auto heads, keys.PerLayer("attention.head_count", hp.layers));
  ASSIGN_OR_RETURN(const auto kv_heads,
                   keys.PerLayer("attention.head_count_kv", hp.layers, heads[0]));
  for (size_t i = 1; i < heads.size(); ++i) {
    if (heads[i] != heads[0] || kv_heads[i] != kv_heads[0]) {
      return keys.Unsupported("Layers with different numbers of attention heads are not supported.");
    }
  }
  hp.heads = heads[0];
  hp.kv_heads = kv_heads[0];
  if (hp.heads < 1) return keys.Corrupt("there are no attention heads");
  ASSIGN_OR_RETURN(hp.head_dim, keys.Count("attention.key_length", hp.d_model / hp.heads));
  ASSIGN_OR_RETURN(const int64_t value_dim, keys.Count("attention.value_length", hp.head_dim));
  if (value_dim != hp.head_dim) {
    return keys.Unsupported("Attention keys and values of different size are not supported.");
  }
  ASSIGN_OR_RETURN(hp.norm_epsilon, keys.Number(is_opt ? "attention.layer_norm_epsilon"
                                                       : "attention.layer_norm_rms_epsilon"));
  const TensorInfo* embedding = file.Find("token_embd.weight");
  std::optional<int64_t> rows;
  if (embedding != nullptr && embedding->shape.size() == 2) rows = embedding->shape[0];
  const GgufEntry* tokens = header.Find("tokenizer.ggml.tokens");
  if (!rows && tokens != nullptr && tokens->type == GgufType::kArray) {
    rows = static_cast<int64_t>(std::min(tokens->count, kMaxCount));
  }
  ASSIGN_OR_RETURN(hp.vocab, keys.Count("vocab_size", rows));

  RETURN_IF_ERROR(RefuseUnknownOptions(header, keys));
  RETURN_IF_ERROR(ReadActivation(header, keys, hp));
  RETURN_IF_ERROR(ReadLayout(header, keys, hp));
  if (is_opt) {
    ASSIGN_OR_RETURN(hp.position_offset, keys.Count("position_offset", 2));
  } else {
    RETURN_IF_ERROR(ReadRope(header, keys, file, hp));
  }
  RETURN_IF_ERROR(CheckHyperparameters(hp, file));
  return hp;
}

}  // namespace thermocline

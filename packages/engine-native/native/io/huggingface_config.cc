// config.json to Hyperparameters.
#include <array>

#include "io/huggingface_reader.h"
#include "io/hyperparameter_checks.h"
#include "io/text.h"

namespace thermocline {
namespace {

constexpr int64_t kMaxCount = int64_t{1} << 40;

class ConfigReader {
 public:
  ConfigReader(JsonValue config, std::string path) : config_(config), path_(std::move(path)) {}

  JsonValue Find(const char* key) const {
    const JsonValue value = config_.Find(key);
    return value.IsNull() ? JsonValue() : value;
  }

  Result<int64_t> Count(const char* key, std::optional<int64_t> fallback = {}) const {
    const JsonValue value = Find(key);
    if (!value.exists() && fallback) return *fallback;
    if (!value.exists()) return Corrupt("the key " + Quoted(key) + " is missing");
    const auto n = value.AsInt64();
    if (!n || *n < 0 || *n > kMaxCount) {
      return Corrupt("the key " + Quoted(key) + " is " + Shown(value) + ", not a size");
    }
    return *n;
  }

  Result<float> Number(JsonValue value, const char* key, float fallback) const {
    if (!value.exists() || value.IsNull()) return fallback;
    const auto n = value.AsDouble();
    if (!n || *n > 1e30 || *n < -1e30) {
      return Corrupt("the key " + Quoted(key) + " is " + Shown(value) + ", not a number");
    }
    return static_cast<float>(*n);
  }

  Result<bool> Flag(const char* key, bool fallback) const {
    const JsonValue value = Find(key);
    if (!value.exists()) return fallback;
    const auto flag = value.AsBool();
    if (!flag) return Corrupt("the key " + Quoted(key) + " is " + Shown(value) + ", not a bool");
    return *flag;
  }

  Status Corrupt(const std::string& what) const {
    return Status(StatusCode::kModelCorrupt, "This config.json is damaged: " + what + ".", path_);
  }
  Status Unsupported(const std::string& what) const {
    return Status(StatusCode::kModelUnsupported, what, path_);
  }

 private:
  static std::string Shown(JsonValue value) {
    return value.IsNumber() || value.IsString() ? Quoted(value.Source()) : value.TypeName();
  }

  JsonValue config_;
  std::string path_;
};

Status ReadActivation(const ConfigReader& config, const char* key, const char* fallback,
                      Hyperparameters& hp) {
  const JsonValue value = config.Find(key);
  if (!value.exists()) {
    hp.activation = fallback;
    hp.activation_source = "default of " + hp.arch;
    return Status::Ok();
  }
  const auto activation = CanonicalActivation(value.Source());
  if (!value.IsString() || !activation) {
    return config.Unsupported("The activation " + Quoted(value.Source()) + " (key " + Quoted(key) +
                              " of config.json) is not known.");
  }
  hp.activation = *activation;
  hp.activation_source = key;
  return Status::Ok();
}

Status ReadRope(const ConfigReader& config, Hyperparameters& hp) {
  // The base stands beside the other numbers, or in newer files with the scaling.
  const JsonValue parameters = config.Find("rope_parameters");
  const JsonValue scaling = parameters.exists() ? parameters : config.Find("rope_scaling");
  JsonValue theta = config.Find("rope_theta");
  if (!theta.exists()) theta = parameters.Find("rope_theta");
  ASSIGN_OR_RETURN(hp.rope_theta, config.Number(theta, "rope_theta", 10000.0F));
  ASSIGN_OR_RETURN(const float partial, config.Number(config.Find("partial_rotary_factor"),
                                                      "partial_rotary_factor", 1.0F));
  if (partial != 1.0F) return config.Unsupported("Partly rotated heads are not supported.");
  hp.rope_dim = hp.head_dim;
  hp.rope_layout = RopeLayout::kHalfSplit;
  if (!scaling.exists()) return Status::Ok();
  JsonValue type = scaling.Find("rope_type");
  if (!type.exists()) type = scaling.Find("type");
  if (!type.exists() || type.Equals("default")) return Status::Ok();
  if (!type.Equals("linear")) {
    return config.Unsupported("The RoPE scaling " + Quoted(type.Source()) +
                              " (config.json) is not supported.");
  }
  ASSIGN_OR_RETURN(hp.rope_scale, config.Number(scaling.Find("factor"), "factor", 1.0F));
  return Status::Ok();
}

Status ReadLlama(const ConfigReader& config, Hyperparameters& hp) {
  ASSIGN_OR_RETURN(const int64_t n_ff, config.Count("intermediate_size"));
  hp.n_ff.assign(static_cast<size_t>(hp.layers), n_ff);
  ASSIGN_OR_RETURN(hp.kv_heads, config.Count("num_key_value_heads", hp.heads));
  ASSIGN_OR_RETURN(hp.head_dim, config.Count("head_dim", hp.d_model / hp.heads));
  ASSIGN_OR_RETURN(hp.norm_epsilon,
                   config.Number(config.Find("rms_norm_eps"), "rms_norm_eps", 1e-6F));
  ASSIGN_OR_RETURN(const int64_t window, config.Count("sliding_window", hp.context));
  if (window < hp.context) {
    return config.Unsupported("Sliding-window attention (" + std::to_string(window) +
                              " positions) is not supported.");
  }
  RETURN_IF_ERROR(ReadActivation(config, "hidden_act", "silu", hp));
  return ReadRope(config, hp);
}

Status ReadOpt(const ConfigReader& config, Hyperparameters& hp) {
  ASSIGN_OR_RETURN(const int64_t n_ff, config.Count("ffn_dim"));
  hp.n_ff.assign(static_cast<size_t>(hp.layers), n_ff);
  hp.kv_heads = hp.heads;
  hp.head_dim = hp.d_model / hp.heads;
  hp.position_offset = 2;
  hp.norm_epsilon = 1e-5F;  // the architecture's constant, in no file
  ASSIGN_OR_RETURN(const int64_t projection, config.Count("word_embed_proj_dim", hp.d_model));
  if (projection != hp.d_model) {
    return config.Unsupported("Embeddings narrower than the hidden size are not supported.");
  }
  ASSIGN_OR_RETURN(const bool norm_first, config.Flag("do_layer_norm_before", true));
  ASSIGN_OR_RETURN(const bool no_final_norm, config.Flag("_remove_final_layer_norm", false));
  ASSIGN_OR_RETURN(const bool affine, config.Flag("layer_norm_elementwise_affine", true));
  ASSIGN_OR_RETURN(const bool biases, config.Flag("enable_bias", true));
  if (!norm_first || no_final_norm || !affine || !biases) {
    return config.Unsupported(
        "Only OPT models with the norm before each block, a final norm and biases are supported.");
  }
  return ReadActivation(config, "activation_function", "relu", hp);
}

}  // namespace

Result<std::string> HuggingFaceArchitecture(JsonValue config, const std::string& path) {
  const JsonValue type = config.Find("model_type");
  if (!type.IsString()) {
    return Status(StatusCode::kModelCorrupt,
                  "This config.json is damaged: the key \"model_type\" is missing.", path);
  }
  // Mistral without a sliding window (checked with the other numbers) is a llama.
  if (type.Equals("llama") || type.Equals("mistral")) return std::string("llama");
  if (type.Equals("opt")) return std::string("opt");
  return Status(StatusCode::kModelUnsupported,
                "The model type " + Quoted(type.Source()) +
                    " is not supported; llama, mistral and opt are.",
                path);
}

bool HuggingFaceTiesEmbeddings(JsonValue config) {
  const bool fallback = config.Find("model_type").Equals("opt");
  return config.Find("tie_word_embeddings").AsBool().value_or(fallback);
}

Result<Hyperparameters> ReadHuggingFaceHyperparameters(JsonValue root, const ModelFile& file) {
  const std::string path = file.path() + "/config.json";
  const ConfigReader config(root, path);
  Hyperparameters hp;
  ASSIGN_OR_RETURN(hp.arch, HuggingFaceArchitecture(root, path));
  std::string_view folder = file.path();
  while (folder.ends_with('/')) folder.remove_suffix(1);
  const size_t slash = folder.rfind('/');
  hp.name = Printable(slash == std::string_view::npos ? folder : folder.substr(slash + 1));

  ASSIGN_OR_RETURN(hp.layers, config.Count("num_hidden_layers"));
  if (hp.layers < 1 || hp.layers > kMaxLayers) {
    return config.Corrupt("the key \"num_hidden_layers\" is " + std::to_string(hp.layers) +
                          ", outside 1 to " + std::to_string(kMaxLayers));
  }
  ASSIGN_OR_RETURN(hp.d_model, config.Count("hidden_size"));
  ASSIGN_OR_RETURN(hp.heads, config.Count("num_attention_heads"));
  if (hp.heads < 1) return config.Corrupt("there are no attention heads");
  ASSIGN_OR_RETURN(hp.vocab, config.Count("vocab_size"));
  ASSIGN_OR_RETURN(hp.context, config.Count("max_position_embeddings"));
  hp.context_source = "max_position_embeddings";
  RETURN_IF_ERROR(hp.arch == "opt" ? ReadOpt(config, hp) : ReadLlama(config, hp));
  RETURN_IF_ERROR(CheckHyperparameters(hp, file));
  return hp;
}

}  // namespace thermocline

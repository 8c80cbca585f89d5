#include "engine/describe_model.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>

#include "model/architecture.h"

namespace thermocline {
namespace {

int DefaultThreads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

// The type of a matrix that every layer has; of those mixed over layers the largest, as plans made
// from it must not come out too small.
const TensorInfo* LargestOf(const ModelFile& file, int64_t layers, const std::string& name) {
  const TensorInfo* largest = nullptr;
  for (int64_t i = 0; i < layers; ++i) {
    const TensorInfo* const tensor = file.Find("blk." + std::to_string(i) + "." + name);
    if (tensor == nullptr) continue;
    const auto bits = [](const TensorInfo& t) {
      return static_cast<double>(BlockBytes(t.type)) / static_cast<double>(BlockElements(t.type));
    };
    if (largest == nullptr || bits(*tensor) > bits(*largest)) largest = tensor;
  }
  return largest;
}

std::vector<std::pair<std::string, std::string>> WeightTypes(const ModelFile& file,
                                                             int64_t layers) {
  std::vector<std::pair<std::string, std::string>> types;
  const TensorInfo* const up = LargestOf(file, layers, "ffn_up.weight");
  const std::pair<const char*, const TensorInfo*> roles[] = {
      {"embedding", file.Find("token_embd.weight")},
      {"attention", LargestOf(file, layers, "attn_q.weight")},
      {"ffn", up},
      {"output", file.Find("output.weight")}};
  for (const auto& [role, tensor] : roles) {
    if (tensor != nullptr) types.emplace_back(role, DTypeName(tensor->type));
  }
  // Named only where they differ from up.
  for (const char* const role : {"ffn_gate", "ffn_down"}) {
    const TensorInfo* tensor = LargestOf(file, layers, std::string(role) + ".weight");
    // Packed files have ffn_down_t.
    if (tensor == nullptr) tensor = LargestOf(file, layers, std::string(role) + "_t.weight");
    if (tensor == nullptr || up == nullptr || tensor->type == up->type) continue;
    types.emplace_back(role, DTypeName(tensor->type));
  }
  return types;
}

}  // namespace

Result<EngineInfo> DescribeModel(const ModelFile& file, const Hyperparameters& model,
                                 const Tokenizer& tokenizer, const EngineOptions& options) {
  ASSIGN_OR_RETURN(const Architecture* architecture, FindArchitecture(model));
  ASSIGN_OR_RETURN(const ActivationFunction activation, FindActivation(model));
  if (options.context > model.context) {
    return Status(StatusCode::kInvalidArgument,
                  "a context of " + std::to_string(options.context) +
                      " tokens was asked for, the model was made for " +
                      std::to_string(model.context) + " (" + model.context_source + ")");
  }
  EngineInfo info;
  info.path = file.path();
  info.container = file.container();
  info.name = model.name.empty() ? std::filesystem::path(file.path()).filename().string()
                                 : model.name;
  info.model = model;
  info.gated = architecture->gated;
  info.tied = file.Find("output.weight") == nullptr;
  info.weight_types = WeightTypes(file, model.layers);
  info.default_mode = HasExactZeros(activation) ? Mode::kExact : Mode::kDense;
  info.threads = options.threads > 0 ? options.threads : DefaultThreads();
  info.context = options.context > 0 ? options.context : model.context;
  info.context_source = options.context > 0 ? "option" : model.context_source;
  info.kv_type = options.kv_type;
  info.adds_bos = tokenizer.adds_bos();
  ASSIGN_OR_RETURN(info.fingerprint, file.Fingerprint());
  return info;
}

}  // namespace thermocline

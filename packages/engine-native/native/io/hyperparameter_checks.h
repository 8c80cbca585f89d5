// What holds for hyper-parameters whichever container they came from.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

// Layers are counted before per-layer lists are allocated, so this limit stands alone.
constexpr int64_t kMaxLayers = 4096;

// The name this project uses for an activation that files spell in several ways
// ("swish" is "silu"), or nullopt for one it has never heard of.
std::optional<std::string> CanonicalActivation(std::string_view name);

// kModelCorrupt, naming the number and its limits, when a number makes no sense by
// itself, beside the others, or beside the model's tensors (embedding rows, learned
// positions). Tensors that are absent are the model builder's business.
Status CheckHyperparameters(const Hyperparameters& hp, const ModelFile& file);

}  // namespace thermocline

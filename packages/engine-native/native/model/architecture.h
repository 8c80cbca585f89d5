// The architectures the forward pass knows, as data: a new one is a row in this
// table, and code only where it does something no other does.
#pragma once

#include <string_view>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

enum class NormKind : uint8_t { kRms, kLayer };
enum class PositionKind : uint8_t { kRope, kLearned };

struct Architecture {
  std::string_view name;
  NormKind norm;
  PositionKind positions;
  bool gated;  // the FFN has a gate matrix
};

// kModelUnsupported, naming those that are known.
Result<const Architecture*> FindArchitecture(const Hyperparameters& model);

// kModelUnsupported when the activation is not known.
Result<ActivationFunction> FindActivation(const Hyperparameters& model);

}  // namespace thermocline

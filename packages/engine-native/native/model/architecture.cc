#include "model/architecture.h"

#include <string>

namespace thermocline {
namespace {

constexpr Architecture kArchitectures[] = {
    {"llama", NormKind::kRms, PositionKind::kRope, true},
    {"opt", NormKind::kLayer, PositionKind::kLearned, false},
};

struct NamedActivation {
  std::string_view name;
  ActivationFunction function;
};
// The readers turn the many spellings in files into these.
constexpr NamedActivation kActivations[] = {
    {"relu", ActivationFunction::kRelu},
    {"silu", ActivationFunction::kSilu},
    {"gelu", ActivationFunction::kGelu},
    {"gelu_tanh", ActivationFunction::kGeluTanh},
    {"relu2", ActivationFunction::kReluSquared},
    {"drelu", ActivationFunction::kDoubleRelu},
};

}  // namespace

Result<const Architecture*> FindArchitecture(const Hyperparameters& model) {
  std::string known;
  for (const Architecture& architecture : kArchitectures) {
    if (architecture.name == model.arch) return &architecture;
    known += (known.empty() ? "" : ", ") + std::string(architecture.name);
  }
  return Status(StatusCode::kModelUnsupported,
                "architecture '" + model.arch + "' is not supported; supported are " + known);
}

Result<ActivationFunction> FindActivation(const Hyperparameters& model) {
  std::string known;
  for (const NamedActivation& activation : kActivations) {
    if (activation.name == model.activation) return activation.function;
    known += (known.empty() ? "" : ", ") + std::string(activation.name);
  }
  return Status(StatusCode::kModelUnsupported, "activation '" + model.activation + "' (from " +
                                                   model.activation_source +
                                                   ") is not supported; supported are " + known);
}

}  // namespace thermocline

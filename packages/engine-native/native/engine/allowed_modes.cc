#include "engine/allowed_modes.h"

#include <string>

#include "model/architecture.h"

namespace thermocline {
namespace {

Status Unsupported(Mode mode, const std::string& reason) {
  return Status(StatusCode::kModeUnsupported,
                "mode '" + std::string(ModeName(mode)) + "' " + reason);
}

// What both modes that skip zeros have in common.
Status CheckZeros(Mode mode, const Hyperparameters& model, const char* remedy) {
  ASSIGN_OR_RETURN(const ActivationFunction activation, FindActivation(model));
  if (HasExactZeros(activation)) return Status::Ok();
  return Unsupported(mode, "skips neurons that are exactly zero, and '" + model.activation +
                               "' (from " + model.activation_source + ") makes none; use " +
                               remedy);
}

}  // namespace

Status CheckMode(Mode mode, const Hyperparameters& model, const Predictors* predictors) {
  switch (mode) {
    case Mode::kDense: return Status::Ok();
    case Mode::kExact: return CheckZeros(mode, model, "mode 'dense'");
    case Mode::kPredicted:
      RETURN_IF_ERROR(CheckZeros(mode, model, "mode 'threshold' with a set of gate predictors"));
      if (predictors != nullptr) return Status::Ok();
      return Unsupported(mode, "needs a predictor set, and the engine has none; train one for "
                               "this model and load it");
    case Mode::kThreshold:
      if (predictors == nullptr) {
        return Unsupported(mode, "needs a predictor set of gates, which holds the thresholds, and "
                                 "the engine has none; calibrate one for this model and load it");
      }
      if (predictors->only_gates()) return Status::Ok();
      return Unsupported(mode, "needs a predictor set whose layers are gates or none, and in the "
                               "one that is loaded layers are predicted by scores; use mode "
                               "'predicted', or load a set of gates");
  }
  return Unsupported(mode, "is unknown");
}

std::vector<Mode> AllowedModes(const Hyperparameters& model, const Predictors* predictors) {
  std::vector<Mode> allowed;
  for (const Mode mode : kModes) {
    if (CheckMode(mode, model, predictors).ok()) allowed.push_back(mode);
  }
  return allowed;
}

}  // namespace thermocline

// How the FFN is computed.
#pragma once

#include <cstdint>

namespace thermocline {

enum class Mode : uint8_t {
  kDense,      // every neuron: the reference
  kExact,      // skips neurons whose activation is exactly zero; ReLU family only
  kPredicted,  // predictors choose the neurons; ReLU family only
  kThreshold,  // skips neurons whose gate (or up) is small, by thresholds of a predictor set
};
constexpr Mode kModes[] = {Mode::kDense, Mode::kExact, Mode::kPredicted, Mode::kThreshold};

constexpr const char* ModeName(Mode mode) {
  switch (mode) {
    case Mode::kDense: return "dense";
    case Mode::kExact: return "exact";
    case Mode::kPredicted: return "predicted";
    case Mode::kThreshold: return "threshold";
  }
  return "?";
}

}  // namespace thermocline

// How the FFN is computed.
#pragma once

#include <cstdint>

namespace thermocline {

enum class Mode : uint8_t {
  kDense,  // every neuron: the reference
  kExact,  // skips neurons whose activation is exactly zero; ReLU family only
};

constexpr const char* ModeName(Mode mode) { return mode == Mode::kDense ? "dense" : "exact"; }

}  // namespace thermocline

// The neurons of one part of a block as system memory holds them, and how they are dealt out.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "backends/kernels.h"
#include "tiers/accountant.h"
#include "tiers/ffn_tier.h"
#include "util/huge_buffer.h"

namespace thermocline {

constexpr int64_t kLanes = 32;
constexpr int64_t kLaneBlock = 32;  // positions, of which a lane has a multiple
constexpr int64_t kRowChunk = 64;   // rows per task of a batch, and bits of a mask

constexpr int64_t CeilDiv(int64_t a, int64_t b) { return (a + b - 1) / b; }
// Positions of n that a lane holds, the last one perhaps fewer: neighbours, so that their rows are
// one stretch of memory and sets of rows with common steps stay together.
constexpr int64_t LaneCapacity(int64_t n) {
  return CeilDiv(CeilDiv(n, kLaneBlock), kLanes) * kLaneBlock;
}
constexpr int64_t LanesOf(int64_t n) { return n == 0 ? 0 : CeilDiv(n, LaneCapacity(n)); }

// Adds the biases of positions [begin, begin + n) to their values.
inline void AddBias(const std::vector<float>& bias, int64_t begin, int64_t n, float* values) {
  if (bias.empty()) return;
  for (int64_t i = 0; i < n; ++i) values[i] += bias[static_cast<size_t>(begin + i)];
}
// The same for listed positions, with values by position.
inline void AddBias(const std::vector<float>& bias, const uint32_t* positions, int64_t n,
                    float* values) {
  if (bias.empty()) return;
  for (int64_t i = 0; i < n; ++i) values[positions[i]] += bias[positions[i]];
}

struct CpuPart {
  bool loaded = false;
  bool gated = false;
  ActivationFunction activation = ActivationFunction::kSilu;
  int64_t n = 0;  // neurons held
  int64_t d_model = 0;
  RowMatrix gate, up;  // rows by position
  NeuronMatrix down;
  std::vector<uint32_t> down_row;         // position -> row of down; empty: the same
  std::vector<float> gate_bias, up_bias;  // by position; empty: none
  HugeBuffer memory;
  Reservation reservation;
  FfnWork work;

  // The matrix whose product decides what fires.
  const RowMatrix& first() const { return gated ? gate : up; }
  const std::vector<float>& first_bias() const { return gated ? gate_bias : up_bias; }
  // Whether firing is told by the gate alone, also where up is zero by chance.
  bool fires_by_gate() const { return gated && activation == ActivationFunction::kRelu; }
  // Whether zeros are to be looked for once more when up is known.
  bool skips_zero_ups() const {
    return gated && activation == ActivationFunction::kDoubleRelu && work.skip_zeros;
  }
};

}  // namespace thermocline

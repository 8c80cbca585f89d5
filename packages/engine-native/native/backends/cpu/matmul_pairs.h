// Products of BF16 rows with inputs rounded to BF16: nothing is widened, and an instruction
// multiplies twice as many numbers. Included after an instruction set's pairs.h.
#pragma once

#include "backends/cpu/matmul_plain.h"

namespace thermocline {
namespace {

// As Widened, in vectors of two numbers a lane.
struct Bf16Pairs {
  using Input = uint16_t;
  using Inputs = Pairs;
  static constexpr int64_t kElements = 2 * kLanes;
  static constexpr int64_t kBytes = 2;

  static TC_INLINE Inputs LoadInputs(const Input* x) { return LoadPairs(x); }
  static TC_INLINE Inputs LoadInputsPart(const Input* x, int64_t n) { return LoadPairsPart(x, n); }
  static TC_INLINE Pairs Weights(const std::byte* row, int64_t k) { return LoadPairs(row + 2 * k); }
  static TC_INLINE Pairs WeightsPart(const std::byte* row, int64_t k, int64_t n) {
    return LoadPairsPart(row + 2 * k, n);
  }
  static TC_INLINE F32 AddUp(Pairs w, Inputs x, F32 sum) { return DotPairs(sum, w, x); }
};

TC_INLINE void RoundToPairs(const float* x, int64_t n, uint16_t* out) {
  int64_t i = 0;
  for (; i + 2 * kLanes <= n; i += 2 * kLanes) {
    StorePairs(out + i, ToPairs(Load(x + i), Load(x + i + kLanes)));
  }
  if (i == n) return;
  const int64_t left = n - i;
  const F32 first = left < kLanes ? LoadPart(x + i, left) : Load(x + i);
  const F32 second = left > kLanes ? LoadPart(x + i + kLanes, left - kLanes) : Zero();
  StorePairsPart(out + i, ToPairs(first, second), left);
}

}  // namespace
}  // namespace thermocline

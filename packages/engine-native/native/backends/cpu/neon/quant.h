// Integer dots of quantised blocks on 64-bit ARM: one block a step, on four lanes.
#pragma once

#include "backends/cpu/neon/vector.h"

namespace thermocline {
namespace {

struct BlockInputs {
  int8x16_t low, high;
};

TC_INLINE BlockInputs LoadBlockInputs(const int8_t* q) { return {vld1q_s8(q), vld1q_s8(q + 16)}; }

// Two products of at most 128 * 127 fit the 16 bits that they are added in.
TC_INLINE I32 BlockDot(int8x16_t w_low, int8x16_t w_high, const BlockInputs& x) {
  int16x8_t even = vmull_s8(vget_low_s8(w_low), vget_low_s8(x.low));
  even = vmlal_s8(even, vget_high_s8(w_low), vget_high_s8(x.low));
  int16x8_t odd = vmull_s8(vget_low_s8(w_high), vget_low_s8(x.high));
  odd = vmlal_s8(odd, vget_high_s8(w_high), vget_high_s8(x.high));
  return vpadalq_s16(vpaddlq_s16(even), odd);
}

struct Q8 {
  static constexpr int64_t kBlocks = 1;
  static constexpr int64_t kQuantBytes = 32;  // of a block

  struct Weights {
    int8x16_t low, high;
  };
  using Inputs = BlockInputs;

  static TC_INLINE Weights LoadWeights(const std::byte* p) {
    return {LoadBytes(p), LoadBytes(p + 16)};
  }
  static TC_INLINE Inputs LoadInputs(const int8_t* q, const int32_t*) {
    return LoadBlockInputs(q);
  }
  static TC_INLINE F32 InputScales(const float* p) { return Set(*p); }
  static TC_INLINE F32 WeightScales(const std::byte* p) { return SetF16(p); }
  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
    return BlockDot(w.low, w.high, x);
  }
};

struct Q4 {
  static constexpr int64_t kBlocks = 1;
  static constexpr int64_t kQuantBytes = 16;

  using Weights = Nibbles;
  using Inputs = BlockInputs;

  static TC_INLINE Weights LoadWeights(const std::byte* p) { return LoadNibbles(p); }
  static TC_INLINE Inputs LoadInputs(const int8_t* q, const int32_t*) {
    return LoadBlockInputs(q);
  }
  static TC_INLINE F32 InputScales(const float* p) { return Set(*p); }
  static TC_INLINE F32 WeightScales(const std::byte* p) { return SetF16(p); }
  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
    return BlockDot(w.low, w.high, x);
  }
};

}  // namespace
}  // namespace thermocline

// K-quants as panels.h has its types. A superblock is eight lanes, so a panel is two of them, or one
// where a row ends. Its scales d (and dmin) stand first, then two vectors of bytes by lane: scales
// and minima, or the scales of a block's halves.
#pragma once

#include "backends/cpu/panels.h"

namespace thermocline {
namespace {

constexpr int64_t kSuperLanes = 8;

template <typename L>
TC_INLINE F32 Unsigned(const L& lanes, const std::byte* p) {
  if constexpr (L::kMayLack) return LoadUnsignedPart(p + lanes.first, lanes.here());
  return LoadUnsigned(p + lanes.first);
}
template <typename L>
TC_INLINE F32 Signed(const L& lanes, const std::byte* p) {
  if constexpr (L::kMayLack) return LoadSignedPart(p + lanes.first, lanes.here());
  return LoadSigned(p + lanes.first);
}
// One F16 for each superblock, on all of its lanes.
template <typename L>
TC_INLINE F32 SuperScales(const L& lanes, const std::byte* p) {
  return L::kMayLack ? SetF16(p + 2 * (lanes.first / kSuperLanes)) : SpreadF16(p, lanes.first);
}

// Bit v of each byte as bit 4.
TC_INLINE Words FifthBits(Words bits, int v) {
  switch (v) {
    case 0: return AndWords(LeftBits<4>(bits), 16);
    case 1: return AndWords(LeftBits<3>(bits), 16);
    case 2: return AndWords(LeftBits<2>(bits), 16);
    case 3: return AndWords(LeftBits<1>(bits), 16);
    case 4: return AndWords(bits, 16);
    case 5: return AndWords(RightBits<1>(bits), 16);
    case 6: return AndWords(RightBits<2>(bits), 16);
    default: return AndWords(RightBits<3>(bits), 16);
  }
}
// Bits 2 v and 2 v + 1 of each byte as bits 4 and 5.
TC_INLINE Words TopBits(Words bits, int v) {
  switch (v) {
    case 0: return AndWords(LeftBits<4>(bits), 48);
    case 1: return AndWords(LeftBits<2>(bits), 48);
    case 2: return AndWords(bits, 48);
    default: return AndWords(RightBits<2>(bits), 48);
  }
}

// Q4_K and Q5_K: d * scale * q - dmin * min. The minima meet the sum of the inputs.
template <int kMost>
struct MinQuants {
  static constexpr int kDots = 1;
  using Dots = thermocline::Dots<kMost>;
  struct Scales {
    F32 scale, min;
  };
  struct Inputs {
    F32 scale, sum;
  };

  static constexpr int64_t HeadBytes(int64_t n) { return n / kSuperLanes * 4; }
  static constexpr int64_t NibblesAt(int64_t n) { return HeadBytes(n) + 2 * n; }

  template <typename L>
  static TC_INLINE Words Nibbles(const L& lanes, const std::byte* panel, int v) {
    const Words pairs = lanes.Vector(panel + NibblesAt(lanes.n), v % (kWords / 2));
    return v < kWords / 2 ? LowNibbles(pairs) : HighNibbles(pairs);
  }
  // Both products are exact: 11 bits by 6.
  template <typename L>
  static TC_INLINE Scales LoadScales(const L& lanes, const std::byte* panel) {
    const std::byte* const bytes = panel + HeadBytes(lanes.n);
    const std::byte* const dmin = panel + HeadBytes(lanes.n) / 2;
    return {Mul(SuperScales(lanes, panel), Unsigned(lanes, bytes)),
            Mul(SuperScales(lanes, dmin), Unsigned(lanes, bytes + lanes.n))};
  }
  template <typename L>
  static TC_INLINE Inputs LoadInputs(const L& lanes, const PanelInputs& x) {
    const F32 scale = lanes.Floats(x.scale);
    return {scale, Mul(ToFloat(lanes.Ints(x.sum)), scale)};
  }
  static TC_INLINE I32 Start(const Inputs&, int) { return ToInt(Zero()); }
  static TC_INLINE F32 AddUp(const Dots (&dots)[kDots], const Scales& w, const Inputs& x,
                             F32 sum) {
    sum = Fma(ToFloat(dots[0].Total()), Mul(w.scale, x.scale), sum);
    return FmaMinus(w.min, x.sum, sum);
  }
};

struct Q4K : MinQuants<15> {
  static constexpr int64_t PanelBytes(int64_t n) { return NibblesAt(n) + 16 * n; }
  template <typename L>
  static TC_INLINE Words Weights(const L& lanes, const std::byte* panel, int v) {
    return Nibbles(lanes, panel, v);
  }
};

struct Q5K : MinQuants<31> {
  static constexpr int64_t PanelBytes(int64_t n) { return NibblesAt(n) + 20 * n; }
  template <typename L>
  static TC_INLINE Words Weights(const L& lanes, const std::byte* panel, int v) {
    const Words bits = lanes.Vector(panel + NibblesAt(lanes.n) + 16 * lanes.n, 0);
    return OrWords(Nibbles(lanes, panel, v), FifthBits(bits, v));
  }
};

// Q6_K: d * scale * (q - 32), with a scale for each half of a block.
struct Q6K {
  static constexpr int kDots = 2;
  using Dots = thermocline::Dots<63>;
  struct Scales {
    F32 d, first, second;
  };
  struct Inputs {
    F32 scale;
    I32 first, second;  // -32 times the sums of the halves
  };

  static constexpr int64_t NibblesAt(int64_t n) { return n / kSuperLanes * 2 + 2 * n; }
  static constexpr int64_t PanelBytes(int64_t n) { return NibblesAt(n) + 24 * n; }
  template <typename L>
  static TC_INLINE Words Weights(const L& lanes, const std::byte* panel, int v) {
    const std::byte* const nibbles = panel + NibblesAt(lanes.n);
    const Words pairs = lanes.Vector(nibbles, v % (kWords / 2));
    const Words bits = lanes.Vector(nibbles + 16 * lanes.n, v / (kWords / 2));
    return OrWords(v < kWords / 2 ? LowNibbles(pairs) : HighNibbles(pairs),
                   TopBits(bits, v % (kWords / 2)));
  }
  template <typename L>
  static TC_INLINE Scales LoadScales(const L& lanes, const std::byte* panel) {
    const std::byte* const bytes = panel + lanes.n / kSuperLanes * 2;
    return {SuperScales(lanes, panel), Signed(lanes, bytes), Signed(lanes, bytes + lanes.n)};
  }
  template <typename L>
  static TC_INLINE Inputs LoadInputs(const L& lanes, const PanelInputs& x) {
    const I32 zero = ToInt(Zero());
    const I32 first = ShiftLeft<5>(lanes.Ints(x.first));
    const I32 both = ShiftLeft<5>(lanes.Ints(x.sum));
    return {lanes.Floats(x.scale), SubInt(zero, first), SubInt(first, both)};
  }
  static TC_INLINE I32 Start(const Inputs& x, int d) { return d == 0 ? x.first : x.second; }
  // Dots of halves are below 2^16 and scales are bytes, so both products and their sum are exact.
  static TC_INLINE F32 AddUp(const Dots (&dots)[kDots], const Scales& w, const Inputs& x,
                             F32 sum) {
    const F32 both = Fma(ToFloat(dots[1].Total()), w.second,
                         Mul(ToFloat(dots[0].Total()), w.first));
    return Fma(both, Mul(w.d, x.scale), sum);
  }
};

}  // namespace
}  // namespace thermocline

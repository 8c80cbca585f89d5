// Panels of quantised rows, and what the types make of them. A type is a struct of "weights of
// a panel, dots, scales"; the tiles of matmul_quant.h are written once over it. Included after
// an instruction set's quant.h, which says how vectors of four bytes per lane are loaded and
// multiplied.
//
// A type has
//   kDots          integer sums per block: 1, or 2 when its halves of 16 have scales of their own
//   Dots           how the products of its weights are added up: Dots<largest weight>
//   PanelBytes(n)  bytes of a panel of n blocks
//   Weights(lanes, panel, v)     vector v of 8, as Dots takes them
//   Scales, LoadScales(lanes, panel)   what it keeps per block of a row
//   Inputs, LoadInputs(lanes, x)       what it needs of the inputs of a panel
//   Start(inputs, d)             what sum d of kDots starts from
//   AddUp(dots, scales, inputs, sum)   the lanes' sums after this panel
#pragma once

#include "backends/cpu/rows.h"

namespace thermocline {
namespace {

constexpr int64_t kWord = 4;  // bytes of a lane
constexpr int kWords = 8;     // vectors of inputs in a panel
constexpr int kSlices = static_cast<int>(kPanel / kLanes);

// The lanes [first, first + kLanes) of a panel of n blocks. Only with kPart may some be missing;
// they read as zero.
template <bool kPart>
struct Lanes {
  static constexpr bool kMayLack = kPart;
  int64_t n;
  int64_t first;

  TC_INLINE int64_t here() const { return MinOf(n - first, kLanes); }
  // Vector v of those that begin at `vectors`.
  TC_INLINE Words Vector(const void* vectors, int v) const {
    const std::byte* const at = static_cast<const std::byte*>(vectors) + (v * n + first) * kWord;
    if constexpr (kPart) return LoadWordsPart(at, here());
    return LoadWords(at);
  }
  TC_INLINE F32 Halves(const std::byte* p) const {
    if constexpr (kPart) return LoadF16Part(p + 2 * first, here());
    return LoadF16(p + 2 * first);
  }
  TC_INLINE F32 Floats(const float* p) const {
    if constexpr (kPart) return LoadPart(p + first, here());
    return Load(p + first);
  }
  TC_INLINE I32 Ints(const int32_t* p) const {
    return WordsToInts(Vector(p, 0));
  }
};

// The inputs of one token, from a panel on.
struct PanelInputs {
  const int8_t* q;
  const float* scale;
  const int32_t* sum;
  const int32_t* first;
};

TC_INLINE PanelInputs InputsAt(const Activations& x, int64_t token, int64_t panel) {
  const int64_t block = token * (x.cols / kBlock) + panel * kPanel;
  return {x.q + block * kBlock, x.q_scale + block, x.q_sum + block, x.q_first + block};
}

struct ScaleInputs {
  F32 scale;
  I32 start;
};

// Weights q * scale, with q offset by 2^kShift when the dots are made.
template <int kShift, typename L>
TC_INLINE ScaleInputs LoadScaleInputs(const L& lanes, const PanelInputs& x) {
  const I32 zero = ToInt(Zero());
  if constexpr (kShift == 0) return {lanes.Floats(x.scale), zero};
  return {lanes.Floats(x.scale), SubInt(zero, ShiftLeft<kShift>(lanes.Ints(x.sum)))};
}

// Vectors p and p + 4 of a type's weights, whose nibbles lie in the same bytes.
template <typename Q, typename L>
TC_INLINE void LoadPair(const L& lanes, const std::byte* panel, int p, Words (&pair)[2]) {
  if constexpr (requires { Q::Pair(lanes, panel, p, pair); }) {
    Q::Pair(lanes, panel, p, pair);
  } else {
    pair[0] = Q::Weights(lanes, panel, p);
    pair[1] = Q::Weights(lanes, panel, p + kWords / 2);
  }
}

// Q8_0. Sets that multiply only unsigned weights add 128 to them.
struct Q8 {
  static constexpr int kDots = 1;
  using Dots = thermocline::Dots<128>;
  struct Scales {
    F32 scale;
  };
  using Inputs = ScaleInputs;

  static constexpr int64_t PanelBytes(int64_t n) { return n * (2 + kBlock); }
  template <typename L>
  static TC_INLINE Words Weights(const L& lanes, const std::byte* panel, int v) {
    return FromSigned(lanes.Vector(panel + 2 * lanes.n, v));
  }
  template <typename L>
  static TC_INLINE Scales LoadScales(const L& lanes, const std::byte* panel) {
    return {lanes.Halves(panel)};
  }
  template <typename L>
  static TC_INLINE Inputs LoadInputs(const L& lanes, const PanelInputs& x) {
    return LoadScaleInputs<kSignedShift>(lanes, x);
  }
  static TC_INLINE I32 Start(const Inputs& x, int) { return x.start; }
  static TC_INLINE F32 AddUp(const Dots (&dots)[kDots], const Scales& w, const Inputs& x,
                             F32 sum) {
    return Fma(ToFloat(dots[0].Total()), Mul(w.scale, x.scale), sum);
  }
};

// Q4_0. Nibbles are used as they are, 0 to 15; the offset of 8 is taken back through the sum
// of the inputs.
struct Q4 {
  static constexpr int kDots = 1;
  using Dots = thermocline::Dots<15>;
  using Scales = Q8::Scales;
  using Inputs = ScaleInputs;

  static constexpr int64_t PanelBytes(int64_t n) { return n * (2 + kBlock / 2); }
  template <typename L>
  static TC_INLINE void Pair(const L& lanes, const std::byte* panel, int p, Words (&pair)[2]) {
    const Words both = LoadedOnce(lanes.Vector(panel + 2 * lanes.n, p));
    pair[0] = LowNibbles(both);
    pair[1] = HighNibbles(both);
  }
  template <typename L>
  static TC_INLINE Scales LoadScales(const L& lanes, const std::byte* panel) {
    return {lanes.Halves(panel)};
  }
  template <typename L>
  static TC_INLINE Inputs LoadInputs(const L& lanes, const PanelInputs& x) {
    return LoadScaleInputs<3>(lanes, x);
  }
  static TC_INLINE I32 Start(const Inputs& x, int) { return x.start; }
  static TC_INLINE F32 AddUp(const Dots (&dots)[kDots], const Scales& w, const Inputs& x,
                             F32 sum) {
    return Fma(ToFloat(dots[0].Total()), Mul(w.scale, x.scale), sum);
  }
};

}  // namespace
}  // namespace thermocline

// Products of bytes on 64-bit ARM, with dot products where the compiler was told of them.
#pragma once

#include "backends/cpu/neon/vector.h"

namespace thermocline {
namespace {

using Words = int8x16_t;  // four bytes in each lane

TC_INLINE Words LoadWords(const std::byte* p) { return LoadBytes(p); }
TC_INLINE Words LoadWordsPart(const std::byte* p, int64_t n) {
  int8_t bytes[16] = {};
  for (int64_t i = 0; i < n; ++i) __builtin_memcpy(bytes + 4 * i, p + 4 * i, 4);
  return vld1q_s8(bytes);
}
TC_INLINE I32 WordsToInts(Words w) { return vreinterpretq_s32_s8(w); }
TC_INLINE Words LowNibbles(Words w) { return vandq_s8(w, vdupq_n_s8(0x0F)); }
TC_INLINE Words HighNibbles(Words w) {
  return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(w), 4));
}
// Keeps a vector in its register: GCC else loads it again for every use, which costs more than
// the use where rows do not begin at cache lines.
TC_INLINE Words LoadedOnce(Words w) {
  asm("" : "+w"(w));
  return w;
}
template <int kBits>
TC_INLINE I32 ShiftLeft(I32 v) {
  return vshlq_n_s32(v, kBits);
}

// --- for K-quants -----------------------------------------------------------------------

template <int kBits>
TC_INLINE Words LeftBits(Words w) {
  return vshlq_n_s8(w, kBits);
}
template <int kBits>
TC_INLINE Words RightBits(Words w) {
  return vreinterpretq_s8_u8(vshrq_n_u8(vreinterpretq_u8_s8(w), kBits));
}
TC_INLINE Words AndWords(Words w, int byte) {
  return vandq_s8(w, vdupq_n_s8(static_cast<int8_t>(byte)));
}
TC_INLINE Words OrWords(Words a, Words b) { return vorrq_s8(a, b); }
// Superblocks are whole registers here: no part of one is ever loaded.
TC_INLINE F32 LoadUnsignedPart(const std::byte* p, int64_t) { return LoadUnsigned(p); }
TC_INLINE F32 LoadSignedPart(const std::byte* p, int64_t) { return LoadSigned(p); }
// Halves that stand for eight lanes each, of the lanes from `first` on.
TC_INLINE F32 SpreadF16(const std::byte* p, int64_t first) { return SetF16(p + first / 8 * 2); }

// ----------------------------------------------------------------------------------------

constexpr int kSignedShift = 0;  // signed weights are multiplied as they are
TC_INLINE Words FromSigned(Words w) { return w; }

#if defined(__ARM_FEATURE_DOTPROD)

// Sums of weights times inputs, four bytes to a lane. Weights: 0 to kMost; 128 stands for what
// FromSigned gives.
template <int kMost>
struct Dots {
  I32 sum;

  TC_INLINE void Start(I32 from) { sum = from; }
  TC_INLINE void Add(int, Words w, Words x) { sum = vdotq_s32(sum, w, x); }
  TC_INLINE I32 Total() const { return sum; }
};

#else

// The same in two steps: products are added up in 16 bits for as many vectors as cannot
// overflow them, then joined.
template <int kMost>
struct Dots {
  static constexpr int kFit = 32767 / (127 * kMost);
  static constexpr int kRun = kFit < 2 ? 1 : kFit < 4 ? 2 : kFit < 8 ? 4 : 8;
  I32 sum;
  int16x8_t low, high;

  TC_INLINE void Start(I32 from) { sum = from; }
  // step: how many came before, modulo some multiple of kRun.
  TC_INLINE void Add(int step, Words w, Words x) {
    if (step % kRun == 0) {
      low = vmull_s8(vget_low_s8(w), vget_low_s8(x));
      high = vmull_s8(vget_high_s8(w), vget_high_s8(x));
    } else {
      low = vmlal_s8(low, vget_low_s8(w), vget_low_s8(x));
      high = vmlal_s8(high, vget_high_s8(w), vget_high_s8(x));
    }
    if ((step + 1) % kRun == 0) {
      sum = vaddq_s32(sum, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
    }
  }
  TC_INLINE I32 Total() const { return sum; }
};

#endif

}  // namespace
}  // namespace thermocline

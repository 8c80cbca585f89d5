// Quants of two rows as 16-bit words, and their products with pairs of factors, on 64-bit ARM.
#pragma once

#include "backends/cpu/neon/vector.h"

namespace thermocline {
namespace {

using Words = int16x8_t;
constexpr int64_t kUnits = 1;       // of 16 bytes in a vector
constexpr int kQuantSumTokens = 2;  // tokens in a register tile

TC_INLINE Words LoadWords(const std::byte* p) {
  return vreinterpretq_s16_u8(vld1q_u8(reinterpret_cast<const uint8_t*>(p)));
}
TC_INLINE Words LoadUnit(const std::byte* p) { return LoadWords(p); }
// Words of a and b in turn, from the first or the last four of every unit.
TC_INLINE Words ZipFirst(Words a, Words b) { return vzip1q_s16(a, b); }
TC_INLINE Words ZipLast(Words a, Words b) { return vzip2q_s16(a, b); }
TC_INLINE Words AndWords(Words v, int mask) {
  return vandq_s16(v, vdupq_n_s16(static_cast<int16_t>(mask)));
}
TC_INLINE Words HighBytes(Words v) {
  return vreinterpretq_s16_u16(vshrq_n_u16(vreinterpretq_u16_s16(v), 8));
}
TC_INLINE Words SignedLowBytes(Words v) { return vshrq_n_s16(vshlq_n_s16(v, 8), 8); }
TC_INLINE Words SignedHighBytes(Words v) { return vshrq_n_s16(v, 8); }

// Lane by lane, the bytes or the words of a and b as two words.
TC_INLINE Words ZipBytes(const std::byte* a, const std::byte* b) {
  int16_t words[8];
  for (int i = 0; i < 4; ++i) {
    words[2 * i] = static_cast<int16_t>(a[i]);
    words[2 * i + 1] = static_cast<int16_t>(b[i]);
  }
  return vld1q_s16(words);
}
TC_INLINE Words ZipWords(const std::byte* a, const std::byte* b) {
  int16_t first[4], second[4];
  __builtin_memcpy(first, a, sizeof first);
  __builtin_memcpy(second, b, sizeof second);
  const int16x4x2_t zipped = vzip_s16(vld1_s16(first), vld1_s16(second));
  return vcombine_s16(zipped.val[0], zipped.val[1]);
}
TC_INLINE Words OrWords(Words a, Words b) { return vorrq_s16(a, b); }
// To the left, or with kBits below zero to the right.
template <int kBits>
TC_INLINE Words ShiftWords(Words v) {
  if constexpr (kBits >= 0) return vshlq_n_s16(v, kBits);
  if constexpr (kBits < 0) {
    return vreinterpretq_s16_u16(vshrq_n_u16(vreinterpretq_u16_s16(v), -kBits));
  }
}

// sum + w[2 i] * pair[0] + w[2 i + 1] * pair[1] on every lane i.
TC_INLINE I32 DotWords(I32 sum, Words w, I32 pair) {
  const int16x8_t factors = vreinterpretq_s16_s32(pair);
  const int32x4_t first = vmull_s16(vget_low_s16(w), vget_low_s16(factors));
  const int32x4_t last = vmull_high_s16(w, factors);
  return vaddq_s32(sum, vpaddq_s32(first, last));
}
TC_INLINE I32 SetInt(int32_t v) { return vdupq_n_s32(v); }
TC_INLINE I32 LoadInts(const int32_t* p) { return vld1q_s32(p); }
TC_INLINE void StoreInts(int32_t* p, I32 v) { vst1q_s32(p, v); }
// Lanes of 16-bit values a and b to pairs, a below.
TC_INLINE I32 PairInts(I32 a, I32 b) {
  return vsliq_n_s32(a, b, 16);
}

// The bits of |v|, which as integers are in the order of |v|, what is not finite above all.
TC_INLINE I32 AbsBits(F32 v) {
  return vandq_s32(vreinterpretq_s32_f32(v), vdupq_n_s32(0x7FFFFFFF));
}
TC_INLINE I32 MaxInt(I32 a, I32 b) { return vmaxq_s32(a, b); }
TC_INLINE int32_t ReduceMaxInt(I32 v) { return vmaxvq_s32(v); }
// The step of 16-bit factors of which the largest has these bits, and one over it. Of one that is
// not finite the step is NaN and one over it zero, so that factors fit 16 bits whatever h is.
TC_INLINE F32 StepOf(I32 largest, F32* inverse) {
  const int32x4_t exponent = vmaxq_s32(vshrq_n_s32(largest, 23), vdupq_n_s32(15));
  const int32x4_t inverse_bits = vshlq_n_s32(vsubq_s32(vdupq_n_s32(268), exponent), 23);
  const int32x4_t step = vshlq_n_s32(vsubq_s32(exponent, vdupq_n_s32(14)), 23);
  const uint32x4_t bad = vceqq_s32(exponent, vdupq_n_s32(255));
  *inverse = vreinterpretq_f32_s32(vbslq_s32(bad, vdupq_n_s32(0), inverse_bits));
  return vreinterpretq_f32_s32(vbslq_s32(bad, vdupq_n_s32(0x7FC00000), step));
}

}  // namespace
}  // namespace thermocline

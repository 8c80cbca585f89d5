// The vector vocabulary on 64-bit ARM, base architecture: 4 floats.
#pragma once

#include <arm_neon.h>

#include "backends/cpu/simd.h"

namespace thermocline {
namespace {

using F32 = float32x4_t;
using I32 = int32x4_t;
constexpr int64_t kLanes = 4;

// Register tiles of products with several tokens, and of their sums over neurons.
constexpr int kPlainRows = 4, kPlainTokens = 4;
constexpr int kQuantRows = 4, kQuantTokens = 3;
constexpr int kSumTokens = 6, kSumVectors = 4;
constexpr int kRunBlocks = 2;  // 32 columns each, of one run of quantised neurons

TC_INLINE uint32x4_t FirstLanes(int64_t n) {
  const uint32_t lanes[4] = {0, 1, 2, 3};
  return vcltq_u32(vld1q_u32(lanes), vdupq_n_u32(static_cast<uint32_t>(n)));
}

TC_INLINE F32 Zero() { return vdupq_n_f32(0); }
TC_INLINE F32 Set(float x) { return vdupq_n_f32(x); }
TC_INLINE F32 Load(const float* p) { return vld1q_f32(p); }
TC_INLINE void Store(float* p, F32 v) { vst1q_f32(p, v); }
// The first n lanes, 0 < n < kLanes; the rest are zero, or left alone in memory. There are
// no masked loads: short ends go through a buffer.
TC_INLINE F32 LoadPart(const float* p, int64_t n) {
  float lanes[4] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return vld1q_f32(lanes);
}
TC_INLINE void StorePart(float* p, F32 v, int64_t n) {
  float lanes[4];
  vst1q_f32(lanes, v);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}
TC_INLINE F32 KeepFirst(F32 v, int64_t n) {
  return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(v), FirstLanes(n)));
}

TC_INLINE uint16x4_t LoadHalves(const std::byte* p) {
  uint16_t lanes[4];
  __builtin_memcpy(lanes, p, sizeof lanes);
  return vld1_u16(lanes);
}
TC_INLINE uint16x4_t LoadHalvesPart(const std::byte* p, int64_t n) {
  uint16_t lanes[4] = {};
  for (int64_t i = 0; i < n; ++i) __builtin_memcpy(&lanes[i], p + 2 * i, 2);
  return vld1_u16(lanes);
}
TC_INLINE F32 FromF16(uint16x4_t v) { return vcvt_f32_f16(vreinterpret_f16_u16(v)); }
TC_INLINE F32 LoadF16(const std::byte* p) { return FromF16(LoadHalves(p)); }
TC_INLINE F32 LoadF16Part(const std::byte* p, int64_t n) { return FromF16(LoadHalvesPart(p, n)); }
TC_INLINE F32 SetF16(const std::byte* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
  return FromF16(vdup_n_u16(half));
}
TC_INLINE F32 FromBF16(uint16x4_t v) { return vreinterpretq_f32_u32(vshll_n_u16(v, 16)); }
TC_INLINE F32 LoadBF16(const std::byte* p) { return FromBF16(LoadHalves(p)); }
TC_INLINE F32 LoadBF16Part(const std::byte* p, int64_t n) {
  return FromBF16(LoadHalvesPart(p, n));
}
TC_INLINE void StoreF16(uint16_t* p, F32 v) {
  vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(v)));
}
TC_INLINE void StoreF16Part(uint16_t* p, F32 v, int64_t n) {
  uint16_t lanes[4];
  StoreF16(lanes, v);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
}

TC_INLINE F32 Add(F32 a, F32 b) { return vaddq_f32(a, b); }
TC_INLINE F32 Sub(F32 a, F32 b) { return vsubq_f32(a, b); }
TC_INLINE F32 Mul(F32 a, F32 b) { return vmulq_f32(a, b); }
TC_INLINE F32 Div(F32 a, F32 b) { return vdivq_f32(a, b); }
TC_INLINE F32 Fma(F32 a, F32 b, F32 c) { return vfmaq_f32(c, a, b); }  // a * b + c
TC_INLINE F32 FmaMinus(F32 a, F32 b, F32 c) { return vfmsq_f32(c, a, b); }  // c - a * b
// When one is NaN, the result is NaN.
TC_INLINE F32 Max(F32 a, F32 b) { return vmaxq_f32(a, b); }
TC_INLINE F32 Min(F32 a, F32 b) { return vminq_f32(a, b); }
TC_INLINE F32 Abs(F32 v) { return vabsq_f32(v); }
TC_INLINE F32 SignOf(F32 v, F32 magnitude) {
  const uint32x4_t sign = vandq_u32(vreinterpretq_u32_f32(v), vdupq_n_u32(0x80000000U));
  return vreinterpretq_f32_u32(vorrq_u32(vreinterpretq_u32_f32(magnitude), sign));
}
TC_INLINE F32 RoundEven(F32 v) { return vrndnq_f32(v); }
// v, but zero where x <= 0; where x is NaN, v stays.
TC_INLINE F32 ZeroUnlessPositive(F32 x, F32 v) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(v), vcleq_f32(x, Zero())));
}

TC_INLINE I32 ToInt(F32 v) { return vcvtnq_s32_f32(v); }  // round half to even
TC_INLINE F32 ToFloat(I32 v) { return vcvtq_f32_s32(v); }
TC_INLINE I32 AddInt(I32 a, I32 b) { return vaddq_s32(a, b); }
TC_INLINE int32_t ReduceAddInt(I32 v) { return vaddvq_s32(v); }
TC_INLINE I32 HalfInt(I32 v) { return vshrq_n_s32(v, 1); }  // rounds down
TC_INLINE I32 SubInt(I32 a, I32 b) { return vsubq_s32(a, b); }
// 2^v for v in [-126, 127].
TC_INLINE F32 Pow2(I32 v) {
  return vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(v, vdupq_n_s32(127)), 23));
}
// REQUIRES: values fit.
TC_INLINE void StoreInt8(int8_t* p, I32 v) {
  const int16x4_t words = vmovn_s32(v);
  const int8x8_t bytes = vmovn_s16(vcombine_s16(words, words));
  const uint32_t four = vget_lane_u32(vreinterpret_u32_s8(bytes), 0);
  __builtin_memcpy(p, &four, sizeof four);
}

// Sums of all lanes: (0 + 2) + (1 + 3). One order for both forms.
TC_INLINE float ReduceAdd(F32 v) {
  const float32x2_t pair = vadd_f32(vget_low_f32(v), vget_high_f32(v));
  return vget_lane_f32(pair, 0) + vget_lane_f32(pair, 1);
}
TC_INLINE void ReduceAdd4(F32 a, F32 b, F32 c, F32 d, float* out) {
  out[0] = ReduceAdd(a);
  out[1] = ReduceAdd(b);
  out[2] = ReduceAdd(c);
  out[3] = ReduceAdd(d);
}
TC_INLINE float ReduceMax(F32 v) { return vmaxvq_f32(v); }

// --- 32 quants as floats ----------------------------------------------------------------

constexpr int kBlockVectors = 8;

TC_INLINE int8x16_t LoadBytes(const std::byte* p) {
  return vld1q_s8(reinterpret_cast<const int8_t*>(p));
}
// Sixteen quants to four vectors.
TC_INLINE void Widen16(int8x16_t q, F32* v) {
  const int16x8_t low = vmovl_s8(vget_low_s8(q));
  const int16x8_t high = vmovl_s8(vget_high_s8(q));
  v[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
  v[1] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(low)));
  v[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
  v[3] = vcvtq_f32_s32(vmovl_s16(vget_high_s16(high)));
}
// Nibbles less 8: the first and the last sixteen elements of a block.
struct Nibbles {
  int8x16_t low, high;
};
TC_INLINE Nibbles LoadNibbles(const std::byte* p) {
  const uint8x16_t pairs = vld1q_u8(reinterpret_cast<const uint8_t*>(p));
  const int8x16_t eight = vdupq_n_s8(8);
  return {vsubq_s8(vreinterpretq_s8_u8(vandq_u8(pairs, vdupq_n_u8(0x0F))), eight),
          vsubq_s8(vreinterpretq_s8_u8(vshrq_n_u8(pairs, 4)), eight)};
}
TC_INLINE void LoadQ8(const std::byte* p, F32 (&v)[kBlockVectors]) {
  Widen16(LoadBytes(p), v);
  Widen16(LoadBytes(p + 16), v + 4);
}
TC_INLINE void LoadQ4(const std::byte* p, F32 (&v)[kBlockVectors]) {
  const Nibbles nibbles = LoadNibbles(p);
  Widen16(nibbles.low, v);
  Widen16(nibbles.high, v + 4);
}

// One byte a lane, as floats.
TC_INLINE F32 LoadUnsigned(const std::byte* p) {
  const uint8_t* const bytes = reinterpret_cast<const uint8_t*>(p);
  const uint32_t lanes[4] = {bytes[0], bytes[1], bytes[2], bytes[3]};
  return vcvtq_f32_u32(vld1q_u32(lanes));
}
TC_INLINE F32 LoadSigned(const std::byte* p) {
  const int8_t* const bytes = reinterpret_cast<const int8_t*>(p);
  const int32_t lanes[4] = {bytes[0], bytes[1], bytes[2], bytes[3]};
  return vcvtq_f32_s32(vld1q_s32(lanes));
}

}  // namespace
}  // namespace thermocline

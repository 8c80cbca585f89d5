// The vector vocabulary on AVX-512 (F, BW, DQ, VL): 16 floats.
#pragma once

#include <immintrin.h>

#include "backends/cpu/simd.h"

namespace thermocline {
namespace {

using F32 = __m512;
using I32 = __m512i;
constexpr int64_t kLanes = 16;

// Register tiles of products with several tokens, and of their sums over neurons.
constexpr int kPlainRows = 4, kPlainTokens = 6;
constexpr int kQuantRows = 4, kQuantTokens = 3;
constexpr int kSumTokens = 6, kSumVectors = 4;
constexpr int kRunBlocks = 4;  // 32 columns each, of one run of quantised neurons

TC_INLINE __mmask16 FirstLanes(int64_t n) { return static_cast<__mmask16>((1U << n) - 1U); }

TC_INLINE F32 Zero() { return _mm512_setzero_ps(); }
TC_INLINE F32 Set(float x) { return _mm512_set1_ps(x); }
TC_INLINE F32 Load(const float* p) { return _mm512_loadu_ps(p); }
TC_INLINE void Store(float* p, F32 v) { _mm512_storeu_ps(p, v); }
// The first n lanes, 0 < n < kLanes; the rest are zero, or left alone in memory.
TC_INLINE F32 LoadPart(const float* p, int64_t n) {
  return _mm512_maskz_loadu_ps(FirstLanes(n), p);
}
TC_INLINE void StorePart(float* p, F32 v, int64_t n) {
  _mm512_mask_storeu_ps(p, FirstLanes(n), v);
}
TC_INLINE F32 KeepFirst(F32 v, int64_t n) { return _mm512_maskz_mov_ps(FirstLanes(n), v); }

TC_INLINE F32 LoadF16(const std::byte* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
TC_INLINE F32 LoadF16Part(const std::byte* p, int64_t n) {
  return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(FirstLanes(n), p));
}
TC_INLINE F32 SetF16(const std::byte* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
  return _mm512_cvtph_ps(_mm256_set1_epi16(static_cast<int16_t>(half)));
}
TC_INLINE F32 FromBF16(__m256i v) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(v), 16));
}
TC_INLINE F32 LoadBF16(const std::byte* p) {
  return FromBF16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
}
TC_INLINE F32 LoadBF16Part(const std::byte* p, int64_t n) {
  return FromBF16(_mm256_maskz_loadu_epi16(FirstLanes(n), p));
}
TC_INLINE __m256i ToF16(F32 v) {
  return _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
TC_INLINE void StoreF16(uint16_t* p, F32 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), ToF16(v));
}
TC_INLINE void StoreF16Part(uint16_t* p, F32 v, int64_t n) {
  _mm256_mask_storeu_epi16(p, FirstLanes(n), ToF16(v));
}

TC_INLINE F32 Add(F32 a, F32 b) { return _mm512_add_ps(a, b); }
TC_INLINE F32 Sub(F32 a, F32 b) { return _mm512_sub_ps(a, b); }
TC_INLINE F32 Mul(F32 a, F32 b) { return _mm512_mul_ps(a, b); }
TC_INLINE F32 Div(F32 a, F32 b) { return _mm512_div_ps(a, b); }
TC_INLINE F32 Fma(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a, b, c); }  // a * b + c
TC_INLINE F32 FmaMinus(F32 a, F32 b, F32 c) { return _mm512_fnmadd_ps(a, b, c); }  // c - a * b
// When one is NaN, the second is the result.
TC_INLINE F32 Max(F32 a, F32 b) { return _mm512_max_ps(a, b); }
TC_INLINE F32 Min(F32 a, F32 b) { return _mm512_min_ps(a, b); }
TC_INLINE F32 Abs(F32 v) { return _mm512_abs_ps(v); }
TC_INLINE F32 SignOf(F32 v, F32 magnitude) {
  return _mm512_or_ps(magnitude, _mm512_and_ps(v, _mm512_set1_ps(-0.0F)));
}
TC_INLINE F32 RoundEven(F32 v) {
  return _mm512_roundscale_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// v, but zero where x <= 0; where x is NaN, v stays.
TC_INLINE F32 ZeroUnlessPositive(F32 x, F32 v) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, Zero(), _CMP_NLE_UQ), v);
}

TC_INLINE I32 ToInt(F32 v) { return _mm512_cvtps_epi32(v); }  // round half to even
TC_INLINE F32 ToFloat(I32 v) { return _mm512_cvtepi32_ps(v); }
TC_INLINE I32 AddInt(I32 a, I32 b) { return _mm512_add_epi32(a, b); }
TC_INLINE int32_t ReduceAddInt(I32 v) { return _mm512_reduce_add_epi32(v); }
TC_INLINE I32 HalfInt(I32 v) { return _mm512_srai_epi32(v, 1); }  // rounds down
TC_INLINE I32 SubInt(I32 a, I32 b) { return _mm512_sub_epi32(a, b); }
// 2^v for v in [-126, 127].
TC_INLINE F32 Pow2(I32 v) {
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(v, _mm512_set1_epi32(127)), 23));
}
TC_INLINE void StoreInt8(int8_t* p, I32 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm512_cvtepi32_epi8(v));
}

// Sums of all lanes: halves, halves again, then (0 + 2) + (1 + 3). One order for both forms.
TC_INLINE __m128 Quarter(F32 v) {
  const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
  return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}
TC_INLINE float ReduceAdd(F32 v) {
  const __m128 quarter = Quarter(v);
  const __m128 pair = _mm_add_ps(quarter, _mm_movehl_ps(quarter, quarter));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
TC_INLINE void ReduceAdd4(F32 a, F32 b, F32 c, F32 d, float* out) {
  __m128 r0 = Quarter(a), r1 = Quarter(b), r2 = Quarter(c), r3 = Quarter(d);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(r0, r2), _mm_add_ps(r1, r3)));
}
TC_INLINE float ReduceMax(F32 v) { return _mm512_reduce_max_ps(v); }

// --- 32 quants as floats ----------------------------------------------------------------

constexpr int kBlockVectors = 2;

TC_INLINE void LoadQ8(const std::byte* p, F32 (&v)[kBlockVectors]) {
  TC_UNROLL
  for (int i = 0; i < kBlockVectors; ++i) {
    const __m128i q = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + 16 * i));
    v[i] = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
  }
}
// The table look-up reads only the low four bits of each lane.
TC_INLINE void LoadQ4(const std::byte* p, F32 (&v)[kBlockVectors]) {
  const __m512 table =
      _mm512_setr_ps(-8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 6, 7);
  const __m512i pairs =
      _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
  v[0] = _mm512_permutexvar_ps(pairs, table);
  v[1] = _mm512_permutexvar_ps(_mm512_srli_epi32(pairs, 4), table);
}

// One byte a lane, as floats.
TC_INLINE F32 LoadUnsigned(const std::byte* p) {
  return ToFloat(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}
TC_INLINE F32 LoadSigned(const std::byte* p) {
  return ToFloat(_mm512_cvtepi8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
}

}  // namespace
}  // namespace thermocline

// The vector vocabulary on AVX2 with FMA and F16C: 8 floats.
#pragma once

#include <immintrin.h>

#include "backends/cpu/simd.h"

namespace thermocline {
namespace {

using F32 = __m256;
using I32 = __m256i;
constexpr int64_t kLanes = 8;

// Register tiles of products with several tokens, and of their sums over neurons.
constexpr int kPlainRows = 4, kPlainTokens = 3;
constexpr int kQuantRows = 4, kQuantTokens = 2;
constexpr int kSumTokens = 3, kSumVectors = 4;
constexpr int kRunBlocks = 2;  // 32 columns each, of one run of quantised neurons

// All bits set in the first n lanes.
TC_INLINE __m256i FirstLanes(int64_t n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int>(n)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

TC_INLINE F32 Zero() { return _mm256_setzero_ps(); }
TC_INLINE F32 Set(float x) { return _mm256_set1_ps(x); }
TC_INLINE F32 Load(const float* p) { return _mm256_loadu_ps(p); }
TC_INLINE void Store(float* p, F32 v) { _mm256_storeu_ps(p, v); }
// The first n lanes, 0 < n < kLanes; the rest are zero, or left alone in memory.
TC_INLINE F32 LoadPart(const float* p, int64_t n) { return _mm256_maskload_ps(p, FirstLanes(n)); }
TC_INLINE void StorePart(float* p, F32 v, int64_t n) {
  _mm256_maskstore_ps(p, FirstLanes(n), v);
}
TC_INLINE F32 KeepFirst(F32 v, int64_t n) {
  return _mm256_and_ps(v, _mm256_castsi256_ps(FirstLanes(n)));
}

// There is no masked load of 16-bit lanes.
TC_INLINE __m128i LoadHalvesPart(const std::byte* p, int64_t n) {
  alignas(16) uint16_t halves[8] = {};
  for (int64_t i = 0; i < n; ++i) __builtin_memcpy(&halves[i], p + 2 * i, 2);
  return _mm_load_si128(reinterpret_cast<const __m128i*>(halves));
}
TC_INLINE F32 LoadF16(const std::byte* p) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
TC_INLINE F32 LoadF16Part(const std::byte* p, int64_t n) {
  return _mm256_cvtph_ps(LoadHalvesPart(p, n));
}
TC_INLINE F32 SetF16(const std::byte* p) {
  uint16_t half;
  __builtin_memcpy(&half, p, sizeof half);
  return _mm256_cvtph_ps(_mm_set1_epi16(static_cast<int16_t>(half)));
}
TC_INLINE F32 FromBF16(__m128i v) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(v), 16));
}
TC_INLINE F32 LoadBF16(const std::byte* p) {
  return FromBF16(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
TC_INLINE F32 LoadBF16Part(const std::byte* p, int64_t n) {
  return FromBF16(LoadHalvesPart(p, n));
}
TC_INLINE __m128i ToF16(F32 v) {
  return _mm256_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
TC_INLINE void StoreF16(uint16_t* p, F32 v) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), ToF16(v));
}
TC_INLINE void StoreF16Part(uint16_t* p, F32 v, int64_t n) {
  alignas(16) uint16_t halves[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(halves), ToF16(v));
  for (int64_t i = 0; i < n; ++i) p[i] = halves[i];
}

TC_INLINE F32 Add(F32 a, F32 b) { return _mm256_add_ps(a, b); }
TC_INLINE F32 Sub(F32 a, F32 b) { return _mm256_sub_ps(a, b); }
TC_INLINE F32 Mul(F32 a, F32 b) { return _mm256_mul_ps(a, b); }
TC_INLINE F32 Div(F32 a, F32 b) { return _mm256_div_ps(a, b); }
TC_INLINE F32 Fma(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a, b, c); }  // a * b + c
TC_INLINE F32 FmaMinus(F32 a, F32 b, F32 c) { return _mm256_fnmadd_ps(a, b, c); }  // c - a * b
// When one is NaN, the second is the result.
TC_INLINE F32 Max(F32 a, F32 b) { return _mm256_max_ps(a, b); }
TC_INLINE F32 Min(F32 a, F32 b) { return _mm256_min_ps(a, b); }
TC_INLINE F32 Abs(F32 v) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0F), v); }
TC_INLINE F32 SignOf(F32 v, F32 magnitude) {
  return _mm256_or_ps(magnitude, _mm256_and_ps(v, _mm256_set1_ps(-0.0F)));
}
TC_INLINE F32 RoundEven(F32 v) {
  return _mm256_round_ps(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
// v, but zero where x <= 0; where x is NaN, v stays.
TC_INLINE F32 ZeroUnlessPositive(F32 x, F32 v) {
  return _mm256_and_ps(v, _mm256_cmp_ps(x, Zero(), _CMP_NLE_UQ));
}

TC_INLINE I32 ToInt(F32 v) { return _mm256_cvtps_epi32(v); }  // round half to even
TC_INLINE F32 ToFloat(I32 v) { return _mm256_cvtepi32_ps(v); }
TC_INLINE I32 AddInt(I32 a, I32 b) { return _mm256_add_epi32(a, b); }
TC_INLINE int32_t ReduceAddInt(I32 v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4E));
  return _mm_cvtsi128_si32(_mm_add_epi32(s, _mm_shuffle_epi32(s, 0xB1)));
}
TC_INLINE I32 HalfInt(I32 v) { return _mm256_srai_epi32(v, 1); }  // rounds down
TC_INLINE I32 SubInt(I32 a, I32 b) { return _mm256_sub_epi32(a, b); }
// 2^v for v in [-126, 127].
TC_INLINE F32 Pow2(I32 v) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(v, _mm256_set1_epi32(127)), 23));
}
// REQUIRES: values fit.
TC_INLINE void StoreInt8(int8_t* p, I32 v) {
  const __m128i words =
      _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(p), _mm_packs_epi16(words, words));
}

// Sums of all lanes: halves, then (0 + 2) + (1 + 3). One order for both forms.
TC_INLINE __m128 Half(F32 v) {
  return _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
}
TC_INLINE float ReduceAdd(F32 v) {
  const __m128 half = Half(v);
  const __m128 pair = _mm_add_ps(half, _mm_movehl_ps(half, half));
  return _mm_cvtss_f32(_mm_add_ss(pair, _mm_movehdup_ps(pair)));
}
TC_INLINE void ReduceAdd4(F32 a, F32 b, F32 c, F32 d, float* out) {
  __m128 r0 = Half(a), r1 = Half(b), r2 = Half(c), r3 = Half(d);
  _MM_TRANSPOSE4_PS(r0, r1, r2, r3);
  _mm_storeu_ps(out, _mm_add_ps(_mm_add_ps(r0, r2), _mm_add_ps(r1, r3)));
}
TC_INLINE float ReduceMax(F32 v) {
  __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  m = _mm_max_ps(m, _mm_movehl_ps(m, m));
  return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

// --- 32 quants as floats ----------------------------------------------------------------

constexpr int kBlockVectors = 4;

TC_INLINE void LoadQ8(const std::byte* p, F32 (&v)[kBlockVectors]) {
  TC_UNROLL
  for (int i = 0; i < kBlockVectors; ++i) {
    const __m128i q = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(p + 8 * i));
    v[i] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));
  }
}
TC_INLINE void LoadQ4(const std::byte* p, F32 (&v)[kBlockVectors]) {
  const __m128i pairs = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const __m128i mask = _mm_set1_epi8(0x0F);
  const __m128i eight = _mm_set1_epi8(8);
  const __m128i low = _mm_sub_epi8(_mm_and_si128(pairs, mask), eight);
  const __m128i high = _mm_sub_epi8(_mm_and_si128(_mm_srli_epi16(pairs, 4), mask), eight);
  v[0] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low));
  v[1] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(low, low)));
  v[2] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high));
  v[3] = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_unpackhi_epi64(high, high)));
}

// One byte a lane, as floats.
TC_INLINE F32 LoadUnsigned(const std::byte* p) {
  return ToFloat(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}
TC_INLINE F32 LoadSigned(const std::byte* p) {
  return ToFloat(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
}

}  // namespace
}  // namespace thermocline

// Quants of two rows as 16-bit words, and their products with pairs of factors, on AVX2.
#pragma once

#include "backends/cpu/avx2/vector.h"

namespace thermocline {
namespace {

using Words = __m256i;
constexpr int64_t kUnits = 2;       // of 16 bytes in a vector
constexpr int kQuantSumTokens = 1;  // tokens in a register tile

TC_INLINE Words LoadWords(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
// One unit; the rest is zero.
TC_INLINE Words LoadUnit(const std::byte* p) {
  return _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// Words of a and b in turn, from the first or the last four of every unit.
TC_INLINE Words ZipFirst(Words a, Words b) { return _mm256_unpacklo_epi16(a, b); }
TC_INLINE Words ZipLast(Words a, Words b) { return _mm256_unpackhi_epi16(a, b); }
TC_INLINE Words AndWords(Words v, int mask) {
  return _mm256_and_si256(v, _mm256_set1_epi16(static_cast<int16_t>(mask)));
}
TC_INLINE Words HighBytes(Words v) { return _mm256_srli_epi16(v, 8); }
TC_INLINE Words SignedLowBytes(Words v) { return _mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8); }
TC_INLINE Words SignedHighBytes(Words v) { return _mm256_srai_epi16(v, 8); }

// Lane by lane, the bytes or the words of a and b as two words.
TC_INLINE Words ZipBytes(const std::byte* a, const std::byte* b) {
  const __m256i first = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(a)));
  const __m256i second = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(b)));
  return _mm256_or_si256(first, _mm256_slli_epi32(second, 16));
}
TC_INLINE Words ZipWords(const std::byte* a, const std::byte* b) {
  const __m256i first = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)));
  const __m256i second =
      _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
  return _mm256_or_si256(first, _mm256_slli_epi32(second, 16));
}
TC_INLINE Words OrWords(Words a, Words b) { return _mm256_or_si256(a, b); }
// To the left, or with kBits below zero to the right.
template <int kBits>
TC_INLINE Words ShiftWords(Words v) {
  if constexpr (kBits >= 0) return _mm256_slli_epi16(v, kBits);
  return _mm256_srli_epi16(v, -kBits);
}

// sum + w[2 i] * pair[0] + w[2 i + 1] * pair[1] on every lane i.
TC_INLINE I32 DotWords(I32 sum, Words w, I32 pair) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(w, pair));
}
TC_INLINE I32 SetInt(int32_t v) { return _mm256_set1_epi32(v); }
TC_INLINE I32 LoadInts(const int32_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
TC_INLINE void StoreInts(int32_t* p, I32 v) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v);
}
// Lanes of 16-bit values a and b to pairs, a below.
TC_INLINE I32 PairInts(I32 a, I32 b) {
  return _mm256_blend_epi16(a, _mm256_slli_epi32(b, 16), 0xAA);
}

// The bits of |v|, which as integers are in the order of |v|, what is not finite above all.
TC_INLINE I32 AbsBits(F32 v) {
  return _mm256_and_si256(_mm256_castps_si256(v), _mm256_set1_epi32(0x7FFFFFFF));
}
TC_INLINE I32 MaxInt(I32 a, I32 b) { return _mm256_max_epi32(a, b); }
TC_INLINE int32_t ReduceMaxInt(I32 v) {
  __m128i m = _mm_max_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  m = _mm_max_epi32(m, _mm_shuffle_epi32(m, 0x4E));
  return _mm_cvtsi128_si32(_mm_max_epi32(m, _mm_shuffle_epi32(m, 0xB1)));
}
// The step of 16-bit factors of which the largest has these bits, and one over it. Of one that is
// not finite the step is NaN and one over it zero, so that factors fit 16 bits whatever h is.
TC_INLINE F32 StepOf(I32 largest, F32* inverse) {
  const __m256i exponent =
      _mm256_max_epi32(_mm256_srli_epi32(largest, 23), _mm256_set1_epi32(15));
  const __m256i inverse_bits =
      _mm256_slli_epi32(_mm256_sub_epi32(_mm256_set1_epi32(268), exponent), 23);
  const __m256i step =
      _mm256_slli_epi32(_mm256_sub_epi32(exponent, _mm256_set1_epi32(14)), 23);
  const __m256i bad = _mm256_cmpeq_epi32(exponent, _mm256_set1_epi32(255));
  *inverse = _mm256_castsi256_ps(_mm256_andnot_si256(bad, inverse_bits));
  return _mm256_castsi256_ps(
      _mm256_blendv_epi8(step, _mm256_set1_epi32(0x7FC00000), bad));
}

}  // namespace
}  // namespace thermocline

// Quants of two rows as 16-bit words, and their products with pairs of factors, on AVX-512.
#pragma once

#include "backends/cpu/avx512/vector.h"

namespace thermocline {
namespace {

using Words = __m512i;
constexpr int64_t kUnits = 4;       // of 16 bytes in a vector
constexpr int kQuantSumTokens = 2;  // tokens in a register tile

TC_INLINE Words LoadWords(const std::byte* p) { return _mm512_loadu_si512(p); }
// One unit; the rest is zero.
TC_INLINE Words LoadUnit(const std::byte* p) {
  return _mm512_zextsi128_si512(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
}
// Words of a and b in turn, from the first or the last four of every unit.
TC_INLINE Words ZipFirst(Words a, Words b) { return _mm512_unpacklo_epi16(a, b); }
TC_INLINE Words ZipLast(Words a, Words b) { return _mm512_unpackhi_epi16(a, b); }
TC_INLINE Words AndWords(Words v, int mask) {
  return _mm512_and_si512(v, _mm512_set1_epi16(static_cast<int16_t>(mask)));
}
TC_INLINE Words HighBytes(Words v) { return _mm512_srli_epi16(v, 8); }
TC_INLINE Words SignedLowBytes(Words v) { return _mm512_srai_epi16(_mm512_slli_epi16(v, 8), 8); }
TC_INLINE Words SignedHighBytes(Words v) { return _mm512_srai_epi16(v, 8); }

// Lane by lane, the bytes or the words of a and b as two words.
TC_INLINE Words ZipBytes(const std::byte* a, const std::byte* b) {
  const __m512i first = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(a)));
  const __m512i second = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(b)));
  return _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
}
TC_INLINE Words ZipWords(const std::byte* a, const std::byte* b) {
  const __m512i first =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(a)));
  const __m512i second =
      _mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(b)));
  return _mm512_or_si512(first, _mm512_slli_epi32(second, 16));
}
TC_INLINE Words OrWords(Words a, Words b) { return _mm512_or_si512(a, b); }
// To the left, or with kBits below zero to the right.
template <int kBits>
TC_INLINE Words ShiftWords(Words v) {
  if constexpr (kBits >= 0) return _mm512_slli_epi16(v, kBits);
  return _mm512_srli_epi16(v, -kBits);
}

// sum + w[2 i] * pair[0] + w[2 i + 1] * pair[1] on every lane i.
TC_INLINE I32 DotWords(I32 sum, Words w, I32 pair) {
#if defined(__AVX512VNNI__)
  return _mm512_dpwssd_epi32(sum, w, pair);
#else
  return _mm512_add_epi32(sum, _mm512_madd_epi16(w, pair));
#endif
}
TC_INLINE I32 SetInt(int32_t v) { return _mm512_set1_epi32(v); }
TC_INLINE I32 LoadInts(const int32_t* p) { return _mm512_loadu_si512(p); }
TC_INLINE void StoreInts(int32_t* p, I32 v) { _mm512_storeu_si512(p, v); }
// Lanes of 16-bit values a and b to pairs, a below.
TC_INLINE I32 PairInts(I32 a, I32 b) {
  return _mm512_mask_blend_epi16(0xAAAAAAAA, a, _mm512_slli_epi32(b, 16));
}

// The bits of |v|, which as integers are in the order of |v|, what is not finite above all.
TC_INLINE I32 AbsBits(F32 v) {
  return _mm512_and_si512(_mm512_castps_si512(v), _mm512_set1_epi32(0x7FFFFFFF));
}
TC_INLINE I32 MaxInt(I32 a, I32 b) { return _mm512_max_epi32(a, b); }
TC_INLINE int32_t ReduceMaxInt(I32 v) { return _mm512_reduce_max_epi32(v); }
// The step of 16-bit factors of which the largest has these bits, and one over it. Of one that is
// not finite the step is NaN and one over it zero, so that factors fit 16 bits whatever h is.
TC_INLINE F32 StepOf(I32 largest, F32* inverse) {
  const __m512i exponent =
      _mm512_max_epi32(_mm512_srli_epi32(largest, 23), _mm512_set1_epi32(15));
  const __m512i inverse_bits =
      _mm512_slli_epi32(_mm512_sub_epi32(_mm512_set1_epi32(268), exponent), 23);
  const __m512i step =
      _mm512_slli_epi32(_mm512_sub_epi32(exponent, _mm512_set1_epi32(14)), 23);
  const __mmask16 bad = _mm512_cmpeq_epi32_mask(exponent, _mm512_set1_epi32(255));
  *inverse = _mm512_castsi512_ps(
      _mm512_mask_blend_epi32(bad, inverse_bits, _mm512_setzero_si512()));
  return _mm512_castsi512_ps(_mm512_mask_blend_epi32(bad, step, _mm512_set1_epi32(0x7FC00000)));
}

}  // namespace
}  // namespace thermocline

// Pairs of BF16 numbers and their products on AVX-512 with BF16.
#pragma once

#include "backends/cpu/avx512/vector.h"

namespace thermocline {
namespace {

using Pairs = __m512bh;  // two numbers in each lane

TC_INLINE __mmask32 FirstHalves(int64_t n) {
  return static_cast<__mmask32>((uint64_t{1} << n) - 1);
}
TC_INLINE Pairs LoadPairs(const void* p) {
  return reinterpret_cast<Pairs>(_mm512_loadu_si512(p));
}
// The first n numbers; the rest are zero.
TC_INLINE Pairs LoadPairsPart(const void* p, int64_t n) {
  return reinterpret_cast<Pairs>(_mm512_maskz_loadu_epi16(FirstHalves(n), p));
}
// sum + the products of a lane, the second number's first: each is added and rounded by itself.
// Subnormal numbers are zero, whatever the processor is set to.
TC_INLINE F32 DotPairs(F32 sum, Pairs a, Pairs b) { return _mm512_dpbf16_ps(sum, a, b); }

TC_INLINE Pairs ToPairs(F32 first, F32 second) { return _mm512_cvtne2ps_pbh(second, first); }
TC_INLINE void StorePairs(uint16_t* p, Pairs v) {
  _mm512_storeu_si512(p, reinterpret_cast<__m512i>(v));
}
TC_INLINE void StorePairsPart(uint16_t* p, Pairs v, int64_t n) {
  _mm512_mask_storeu_epi16(p, FirstHalves(n), reinterpret_cast<__m512i>(v));
}

}  // namespace
}  // namespace thermocline

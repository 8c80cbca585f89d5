// Products of bytes on AVX-512, with VNNI where the including file is compiled for it. The
// integers are exact, so both give the same bits.
#pragma once

#include "backends/cpu/avx512/vector.h"

namespace thermocline {
namespace {

using Words = __m512i;  // four bytes in each lane

TC_INLINE Words LoadWords(const std::byte* p) { return _mm512_loadu_si512(p); }
TC_INLINE Words LoadWordsPart(const std::byte* p, int64_t n) {
  return _mm512_maskz_loadu_epi32(FirstLanes(n), p);
}
TC_INLINE I32 WordsToInts(Words w) { return w; }
TC_INLINE Words LowNibbles(Words w) { return _mm512_and_si512(w, _mm512_set1_epi8(0x0F)); }
TC_INLINE Words HighNibbles(Words w) { return LowNibbles(_mm512_srli_epi16(w, 4)); }
// Keeps a vector in its register: GCC else loads it again for every use, which costs more than
// the use where rows do not begin at cache lines.
TC_INLINE Words LoadedOnce(Words w) {
  asm("" : "+v"(w));
  return w;
}
template <int kBits>
TC_INLINE I32 ShiftLeft(I32 v) {
  return _mm512_slli_epi32(v, kBits);
}

// --- for K-quants -----------------------------------------------------------------------

template <int kBits>
TC_INLINE Words LeftBits(Words w) {  // byte by byte, up to bits that are masked out afterwards
  return _mm512_slli_epi16(w, kBits);
}
template <int kBits>
TC_INLINE Words RightBits(Words w) {
  return _mm512_srli_epi16(w, kBits);
}
TC_INLINE Words AndWords(Words w, int byte) {
  return _mm512_and_si512(w, _mm512_set1_epi8(static_cast<char>(byte)));
}
TC_INLINE Words OrWords(Words a, Words b) { return _mm512_or_si512(a, b); }
TC_INLINE F32 LoadUnsignedPart(const std::byte* p, int64_t n) {
  return ToFloat(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(FirstLanes(n), p)));
}
TC_INLINE F32 LoadSignedPart(const std::byte* p, int64_t n) {
  return ToFloat(_mm512_cvtepi8_epi32(_mm_maskz_loadu_epi8(FirstLanes(n), p)));
}
// Halves that stand for eight lanes each, of the lanes from `first` on.
TC_INLINE F32 SpreadF16(const std::byte* p, int64_t) {
  int32_t pair;
  __builtin_memcpy(&pair, p, sizeof pair);
  const __m256i lanes = _mm256_setr_epi32(0, 0, 0, 0, 0x10001, 0x10001, 0x10001, 0x10001);
  return _mm512_cvtph_ps(_mm256_permutexvar_epi16(lanes, _mm256_set1_epi32(pair)));
}

// ----------------------------------------------------------------------------------------

#if defined(__AVX512VNNI__)

constexpr int kSignedShift = 7;  // signed weights are multiplied with 2^7 added
TC_INLINE Words FromSigned(Words w) { return _mm512_xor_si512(w, _mm512_set1_epi8(-128)); }

// Sums of weights times inputs, four bytes to a lane. Weights: 0 to kMost; 128 stands for what
// FromSigned gives.
template <int kMost>
struct Dots {
  I32 sum;

  TC_INLINE void Start(I32 from) { sum = from; }
  TC_INLINE void Add(int, Words w, Words x) { sum = _mm512_dpbusd_epi32(sum, w, x); }
  TC_INLINE I32 Total() const { return sum; }
};

#else

constexpr int kSignedShift = 0;
TC_INLINE Words FromSigned(Words w) { return w; }

// The same in two steps: pairs are added up in 16 bits for as many vectors as cannot overflow
// them, then joined.
template <int kMost>
struct Dots {
  static constexpr int kRun = 32767 / (2 * 127 * kMost);
  I32 sum;
  I32 pairs;

  TC_INLINE void Start(I32 from) { sum = from; }
  // step: how many came before, modulo some multiple of kRun.
  TC_INLINE void Add(int step, Words w, Words x) {
    const I32 next = Products(w, x);
    pairs = step % kRun == 0 ? next : _mm512_add_epi16(pairs, next);
    if ((step + 1) % kRun == 0) {
      sum = _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
    }
  }
  TC_INLINE I32 Total() const { return sum; }

 private:
  static TC_INLINE I32 Products(Words w, Words x) {
    if constexpr (kMost < 128) return _mm512_maddubs_epi16(w, x);
    // |w| times x with w's sign.
    const __m512i signed_x = _mm512_mask_sub_epi8(x, _mm512_movepi8_mask(w),
                                                  _mm512_setzero_si512(), x);
    return _mm512_maddubs_epi16(_mm512_abs_epi8(w), signed_x);
  }
};

#endif

}  // namespace
}  // namespace thermocline

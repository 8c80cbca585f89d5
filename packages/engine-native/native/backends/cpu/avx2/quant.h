// Products of bytes on AVX2.
#pragma once

#include "backends/cpu/avx2/vector.h"

namespace thermocline {
namespace {

using Words = __m256i;  // four bytes in each lane

TC_INLINE Words LoadWords(const std::byte* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}
TC_INLINE Words LoadWordsPart(const std::byte* p, int64_t n) {
  return _mm256_maskload_epi32(reinterpret_cast<const int*>(p), FirstLanes(n));
}
TC_INLINE I32 WordsToInts(Words w) { return w; }
TC_INLINE Words LowNibbles(Words w) { return _mm256_and_si256(w, _mm256_set1_epi8(0x0F)); }
TC_INLINE Words HighNibbles(Words w) { return LowNibbles(_mm256_srli_epi16(w, 4)); }
// Keeps a vector in its register: GCC else loads it again for every use, which costs more than
// the use where rows do not begin at cache lines.
TC_INLINE Words LoadedOnce(Words w) {
  asm("" : "+x"(w));
  return w;
}
template <int kBits>
TC_INLINE I32 ShiftLeft(I32 v) {
  return _mm256_slli_epi32(v, kBits);
}

// --- for K-quants -----------------------------------------------------------------------

template <int kBits>
TC_INLINE Words LeftBits(Words w) {  // byte by byte, up to bits that are masked out afterwards
  return _mm256_slli_epi16(w, kBits);
}
template <int kBits>
TC_INLINE Words RightBits(Words w) {
  return _mm256_srli_epi16(w, kBits);
}
TC_INLINE Words AndWords(Words w, int byte) {
  return _mm256_and_si256(w, _mm256_set1_epi8(static_cast<char>(byte)));
}
TC_INLINE Words OrWords(Words a, Words b) { return _mm256_or_si256(a, b); }
// Superblocks are whole registers here: no part of one is ever loaded.
TC_INLINE F32 LoadUnsignedPart(const std::byte* p, int64_t) { return LoadUnsigned(p); }
TC_INLINE F32 LoadSignedPart(const std::byte* p, int64_t) { return LoadSigned(p); }
// Halves that stand for eight lanes each, of the lanes from `first` on.
TC_INLINE F32 SpreadF16(const std::byte* p, int64_t first) { return SetF16(p + first / 8 * 2); }

// ----------------------------------------------------------------------------------------

constexpr int kSignedShift = 0;  // signed weights are multiplied as they are
TC_INLINE Words FromSigned(Words w) { return w; }

// Sums of weights times inputs, four bytes to a lane. Weights: 0 to kMost; 128 stands for what
// FromSigned gives. Pairs are added up in 16 bits for as many vectors as cannot overflow them,
// then joined.
template <int kMost>
struct Dots {
  static constexpr int kRun = 32767 / (2 * 127 * kMost);
  I32 sum;
  I32 pairs;

  TC_INLINE void Start(I32 from) { sum = from; }
  // step: how many came before, modulo some multiple of kRun.
  TC_INLINE void Add(int step, Words w, Words x) {
    const I32 next = Products(w, x);
    pairs = step % kRun == 0 ? next : _mm256_add_epi16(pairs, next);
    if ((step + 1) % kRun == 0) {
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }
  TC_INLINE I32 Total() const { return sum; }

 private:
  static TC_INLINE I32 Products(Words w, Words x) {
    if constexpr (kMost < 128) return _mm256_maddubs_epi16(w, x);
    return _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w));  // |w| times ±x
  }
};

}  // namespace
}  // namespace thermocline

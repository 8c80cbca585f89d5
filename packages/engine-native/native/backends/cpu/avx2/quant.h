// Integer dots of quantised blocks on AVX2.
#pragma once

#include "backends/cpu/avx2/vector.h"

namespace thermocline {
namespace {

// Q8_0: one block a step, on eight lanes.
struct Q8 {
  static constexpr int64_t kBlocks = 1;
  static constexpr int64_t kQuantBytes = 32;  // of a block

  struct Weights {
    __m256i q;
  };
  struct Inputs {
    __m256i q;
  };

  static TC_INLINE Weights LoadWeights(const std::byte* p) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))};
  }
  static TC_INLINE Inputs LoadInputs(const int8_t* q, const int32_t*) {
    return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(q))};
  }
  static TC_INLINE F32 InputScales(const float* p) { return _mm256_broadcast_ss(p); }
  static TC_INLINE F32 WeightScales(const std::byte* p) { return SetF16(p); }

  // |w| times x with w's sign: 2 * 128 * 127 still fits 16 bits.
  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
    const __m256i pairs =
        _mm256_maddubs_epi16(_mm256_abs_epi8(w.q), _mm256_sign_epi8(x.q, w.q));
    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
  }
};

// Q4_0: two blocks a step, four lanes each. Nibbles are used as they are, 0 to 15; the
// offset of 8 is taken back through the sum of the inputs.
struct Q4 {
  static constexpr int64_t kBlocks = 2;
  static constexpr int64_t kQuantBytes = 16;

  struct Weights {
    __m256i low, high;  // the first and last sixteen elements of each block
  };
  struct Inputs {
    __m256i low, high;
    __m256i bias;
  };

  // Two values, each on the four lanes of its block.
  static TC_INLINE F32 Spread(__m128 scales) {
    return _mm256_permutevar8x32_ps(_mm256_castps128_ps256(scales),
                                    _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1));
  }
  static TC_INLINE Weights Split(__m256i pairs) {
    const __m256i mask = _mm256_set1_epi8(0x0F);
    return {_mm256_and_si256(pairs, mask), _mm256_and_si256(_mm256_srli_epi16(pairs, 4), mask)};
  }
  static TC_INLINE Weights LoadWeights(const std::byte* p) {
    return Split(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
  }
  static TC_INLINE Weights LoadWeightsPart(const std::byte* p, int64_t) {
    return Split(
        _mm256_zextsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))));
  }
  // -8 over four lanes.
  static TC_INLINE Inputs Arrange(__m256i first, __m256i second, __m128i sums) {
    const __m128i bias = _mm_mullo_epi32(sums, _mm_set1_epi32(-2));
    return {_mm256_permute2x128_si256(first, second, 0x20),
            _mm256_permute2x128_si256(first, second, 0x31),
            _mm256_castps_si256(Spread(_mm_castsi128_ps(bias)))};
  }
  static TC_INLINE Inputs LoadInputs(const int8_t* q, const int32_t* sum) {
    return Arrange(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(q)),
                   _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q + 32)),
                   _mm_loadl_epi64(reinterpret_cast<const __m128i*>(sum)));
  }
  static TC_INLINE Inputs LoadInputsPart(const int8_t* q, const int32_t* sum, int64_t) {
    return Arrange(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(q)),
                   _mm256_setzero_si256(), _mm_cvtsi32_si128(*sum));
  }
  static TC_INLINE F32 InputScales(const float* p) {
    return Spread(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static TC_INLINE F32 InputScalesPart(const float* p, int64_t) {
    return Spread(_mm_load_ss(p));
  }
  static TC_INLINE F32 WeightScales(const std::byte* p) {
    int32_t halves;
    __builtin_memcpy(&halves, p, sizeof halves);
    return Spread(_mm_cvtph_ps(_mm_cvtsi32_si128(halves)));
  }
  static TC_INLINE F32 WeightScalesPart(const std::byte* p, int64_t) {
    uint16_t half;
    __builtin_memcpy(&half, p, sizeof half);
    return Spread(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
  }

  // 4 * 15 * 127 fits 16 bits.
  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
    const __m256i pairs = _mm256_add_epi16(_mm256_maddubs_epi16(w.low, x.low),
                                           _mm256_maddubs_epi16(w.high, x.high));
    return _mm256_add_epi32(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)), x.bias);
  }
};

}  // namespace
}  // namespace thermocline

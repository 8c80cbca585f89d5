// Integer dots of quantised blocks on AVX-512, with VNNI where the including file is
// compiled for it. The integers are exact, so both give the same bits.
#pragma once

#include "backends/cpu/avx512/vector.h"

namespace thermocline {
namespace {

// Four scales of consecutive blocks, each on the lanes that hold its block's sums.
TC_INLINE F32 Spread4(__m128 scales) {
  const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
  return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(scales));
}
TC_INLINE F32 Spread2(__m128 scales) {
  const __m512i lanes = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  return _mm512_permutexvar_ps(lanes, _mm512_castps128_ps512(scales));
}
TC_INLINE I32 SpreadInt4(__m128i sums) {
  return _mm512_castps_si512(Spread4(_mm_castsi128_ps(sums)));
}
TC_INLINE I32 SpreadInt2(__m128i sums) {
  return _mm512_castps_si512(Spread2(_mm_castsi128_ps(sums)));
}
TC_INLINE __mmask8 FirstBlocks(int64_t n) { return static_cast<__mmask8>((1U << n) - 1U); }

// Q8_0: two blocks a step, eight lanes each. With VNNI the weights are made unsigned by
// adding 128, taken back through the sum of the inputs.
struct Q8 {
  static constexpr DType kType = DType::kQ8_0;
  static constexpr int64_t kBlocks = 2;
  static constexpr int64_t kQuantBytes = 32;  // of a block

  struct Weights {
    __m512i q;
  };
  struct Inputs {
    __m512i q;
    __m512i bias;
  };

  static TC_INLINE Weights LoadWeights(const std::byte* p) {
    return {_mm512_loadu_si512(p)};
  }
  static TC_INLINE Weights LoadWeightsPart(const std::byte* p, int64_t) {
    return {_mm512_zextsi256_si512(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static TC_INLINE Inputs LoadInputs(const int8_t* q, const int32_t* sum) {
    const __m128i sums = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(sum));
    return {_mm512_loadu_si512(q), Bias(sums)};
  }
  static TC_INLINE Inputs LoadInputsPart(const int8_t* q, const int32_t* sum, int64_t) {
    const __m256i half = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(q));
    return {_mm512_zextsi256_si512(half), Bias(_mm_cvtsi32_si128(*sum))};
  }
  static TC_INLINE F32 InputScales(const float* p) {
    return Spread2(_mm_castsi128_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static TC_INLINE F32 InputScalesPart(const float* p, int64_t) {
    return Spread2(_mm_load_ss(p));
  }
  static TC_INLINE F32 WeightScales(const std::byte* p) {
    int32_t halves;
    __builtin_memcpy(&halves, p, sizeof halves);
    return Spread2(_mm_cvtph_ps(_mm_cvtsi32_si128(halves)));
  }
  static TC_INLINE F32 WeightScalesPart(const std::byte* p, int64_t) {
    uint16_t half;
    __builtin_memcpy(&half, p, sizeof half);
    return Spread2(_mm_cvtph_ps(_mm_cvtsi32_si128(half)));
  }

#if defined(__AVX512VNNI__)
  static TC_INLINE __m512i Bias(__m128i sums) {
    return SpreadInt2(_mm_mullo_epi32(sums, _mm_set1_epi32(-16)));  // -128 over eight lanes
  }
  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
    const __m512i shifted = _mm512_xor_si512(w.q, _mm512_set1_epi8(-128));
    return _mm512_dpbusd_epi32(x.bias, shifted, x.q);
  }
#else
  static TC_INLINE __m512i Bias(__m128i) { return _mm512_setzero_si512(); }
  // |w| times x with w's sign: 2 * 128 * 127 still fits 16 bits.
  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
    const __m512i signed_x = _mm512_mask_sub_epi8(x.q, _mm512_movepi8_mask(w.q),
                                                  _mm512_setzero_si512(), x.q);
    const __m512i pairs = _mm512_maddubs_epi16(_mm512_abs_epi8(w.q), signed_x);
    return _mm512_madd_epi16(pairs, _mm512_set1_epi16(1));
  }
#endif
};

// Q4_0: four blocks a step, four lanes each. Nibbles are used as they are, 0 to 15; the
// offset of 8 is taken back through the sum of the inputs.
struct Q4 {
  static constexpr DType kType = DType::kQ4_0;
  static constexpr int64_t kBlocks = 4;
  static constexpr int64_t kQuantBytes = 16;

  struct Weights {
    __m512i low, high;  // the first and last sixteen elements of each block
  };
  struct Inputs {
    __m512i low, high;
    __m512i bias;
  };

  static TC_INLINE Weights Split(__m512i pairs) {
    const __m512i mask = _mm512_set1_epi8(0x0F);
    return {_mm512_and_si512(pairs, mask), _mm512_and_si512(_mm512_srli_epi16(pairs, 4), mask)};
  }
  static TC_INLINE Weights LoadWeights(const std::byte* p) {
    return Split(_mm512_loadu_si512(p));
  }
  static TC_INLINE Weights LoadWeightsPart(const std::byte* p, int64_t n) {
    return Split(_mm512_maskz_loadu_epi32(FirstLanes(4 * n), p));
  }
  // -8 over four lanes.
  static TC_INLINE Inputs Arrange(__m512i first, __m512i second, __m128i sums) {
    return {_mm512_shuffle_i64x2(first, second, 0x88), _mm512_shuffle_i64x2(first, second, 0xDD),
            SpreadInt4(_mm_mullo_epi32(sums, _mm_set1_epi32(-2)))};
  }
  static TC_INLINE Inputs LoadInputs(const int8_t* q, const int32_t* sum) {
    return Arrange(_mm512_loadu_si512(q), _mm512_loadu_si512(q + 64),
                   _mm_loadu_si128(reinterpret_cast<const __m128i*>(sum)));
  }
  static TC_INLINE Inputs LoadInputsPart(const int8_t* q, const int32_t* sum, int64_t n) {
    const __m512i first = _mm512_maskz_loadu_epi32(FirstLanes(8 * MinOf(n, 2)), q);
    const __m512i second = n == 3 ? _mm512_maskz_loadu_epi32(FirstLanes(8), q + 64)
                                  : _mm512_setzero_si512();
    return Arrange(first, second, _mm_maskz_loadu_epi32(FirstBlocks(n), sum));
  }
  static TC_INLINE F32 InputScales(const float* p) { return Spread4(_mm_loadu_ps(p)); }
  static TC_INLINE F32 InputScalesPart(const float* p, int64_t n) {
    return Spread4(_mm_maskz_loadu_ps(FirstBlocks(n), p));
  }
  static TC_INLINE F32 WeightScales(const std::byte* p) {
    return Spread4(_mm_cvtph_ps(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static TC_INLINE F32 WeightScalesPart(const std::byte* p, int64_t n) {
    return Spread4(_mm_cvtph_ps(_mm_maskz_loadu_epi16(FirstBlocks(n), p)));
  }

  static TC_INLINE I32 Dot(const Weights& w, const Inputs& x) {
#if defined(__AVX512VNNI__)
    return _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(x.bias, w.low, x.low), w.high, x.high);
#else
    // 4 * 15 * 127 fits 16 bits.
    const __m512i pairs = _mm512_add_epi16(_mm512_maddubs_epi16(w.low, x.low),
                                           _mm512_maddubs_epi16(w.high, x.high));
    return _mm512_add_epi32(_mm512_madd_epi16(pairs, _mm512_set1_epi16(1)), x.bias);
#endif
  }
};

}  // namespace
}  // namespace thermocline

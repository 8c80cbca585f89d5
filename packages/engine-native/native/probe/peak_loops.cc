#include "probe/peak_loops.h"

#include "util/cpu_features.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace thermocline {
namespace {

// More chains than an instruction takes cycles. Each begins with a number of its own: a compiler
// computes equal chains once.
constexpr int kChains = 12;

#if defined(__x86_64__)
#define TC_EACH_CHAIN _Pragma("GCC unroll 12") for (int i = 0; i < kChains; ++i)

__attribute__((target("avx512f"), optimize("O3"))) float Floats512(int64_t steps) {
  __m512 sums[kChains];
  TC_EACH_CHAIN sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 a = _mm512_set1_ps(0.999F);
  for (int64_t step = 0; step < steps; ++step) {
    TC_EACH_CHAIN sums[i] = _mm512_fmadd_ps(sums[i], a, a);
  }
  float out = 0;
  TC_EACH_CHAIN out += _mm512_cvtss_f32(sums[i]);
  return out;
}

__attribute__((target("avx512f,avx512vnni"), optimize("O3"))) float Bytes512(int64_t steps) {
  __m512i sums[kChains];
  TC_EACH_CHAIN sums[i] = _mm512_set1_epi32(i);
  const __m512i a = _mm512_set1_epi8(static_cast<char>(steps & 7));
  for (int64_t step = 0; step < steps; ++step) {
    TC_EACH_CHAIN sums[i] = _mm512_dpbusd_epi32(sums[i], a, a);
  }
  float out = 0;
  TC_EACH_CHAIN out += static_cast<float>(_mm512_cvtsi512_si32(sums[i]));
  return out;
}

__attribute__((target("avx512f,avx512bf16"), optimize("O3"))) float Bf16s512(int64_t steps) {
  __m512 sums[kChains];
  TC_EACH_CHAIN sums[i] = _mm512_set1_ps(static_cast<float>(i));
  const __m512 one = _mm512_set1_ps(1.0F);
  const __m512bh a = _mm512_cvtne2ps_pbh(one, one);
  for (int64_t step = 0; step < steps; ++step) {
    TC_EACH_CHAIN sums[i] = _mm512_dpbf16_ps(sums[i], a, a);
  }
  float out = 0;
  TC_EACH_CHAIN out += _mm512_cvtss_f32(sums[i]);
  return out;
}

__attribute__((target("avx2,fma"), optimize("O3"))) float Floats256(int64_t steps) {
  __m256 sums[kChains];
  TC_EACH_CHAIN sums[i] = _mm256_set1_ps(static_cast<float>(i));
  const __m256 a = _mm256_set1_ps(0.999F);
  for (int64_t step = 0; step < steps; ++step) {
    TC_EACH_CHAIN sums[i] = _mm256_fmadd_ps(sums[i], a, a);
  }
  float out = 0;
  TC_EACH_CHAIN out += _mm256_cvtss_f32(sums[i]);
  return out;
}
#undef TC_EACH_CHAIN
#endif

}  // namespace

PeakLoop FloatPeak() {
#if defined(__x86_64__)
  const CpuFeatures features = DetectCpuFeatures();
  if (features.avx512) return {Floats512, int64_t{2} * kChains * 16};
  if (features.avx2) return {Floats256, int64_t{2} * kChains * 8};
#endif
  return {};
}

PeakLoop BytePeak() {
#if defined(__x86_64__)
  if (DetectCpuFeatures().avx512_vnni) return {Bytes512, int64_t{2} * kChains * 64};
#endif
  return {};
}

PeakLoop Bf16Peak() {
#if defined(__x86_64__)
  if (DetectCpuFeatures().avx512_bf16) return {Bf16s512, int64_t{2} * kChains * 32};
#endif
  return {};
}

}  // namespace thermocline

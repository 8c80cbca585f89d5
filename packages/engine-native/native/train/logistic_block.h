// The arithmetic of the loss, written once and compiled for several vector widths. No branches, no
// calls, so that the compiler makes vectors of it, and no fused steps, so that all widths give the
// same bits. In an unnamed namespace and without library code: what is compiled for AVX-512 must
// never be the one copy that the linker keeps for older processors.
#pragma once

#include <stdint.h>

namespace thermocline {

struct LogisticTerms {
  float inverse_price;
  float most;
  float factor;
};

constexpr int64_t kLogisticBlock = 256;  // neurons of one call

// The loss of n <= kLogisticBlock neurons of one token; their scores become slopes.
using LogisticBlock = double (*)(const float* h, const float* norms, const float* biases,
                                 LogisticTerms terms, int64_t n, float* scores);

namespace avx2 {
double LossOfLogisticBlock(const float* h, const float* norms, const float* biases,
                           LogisticTerms terms, int64_t n, float* scores);
}
namespace avx512 {
double LossOfLogisticBlock(const float* h, const float* norms, const float* biases,
                           LogisticTerms terms, int64_t n, float* scores);
}

namespace {

// e^-a for a in [0, kFarthest], relative error below 2e-7: 2^n times a polynomial of the rest.
constexpr float kFarthest = 30.0F;  // beyond it nothing is left to learn, and squares stay normal
inline float ExpOfMinus(float a) {
  constexpr float kRounder = 12582912.0F;  // 1.5 · 2^23: adding it rounds to an integer
  const float shifted = a * -1.44269504F + kRounder;
  const float n = shifted - kRounder;
  float r = n * -0.693359375F - a;  // ln 2 in two parts, the first exact in a product
  r = n * 2.12194440e-4F + r;
  float p = 1.0F / 5040.0F;
  p = p * r + 1.0F / 720.0F;
  p = p * r + 1.0F / 120.0F;
  p = p * r + 1.0F / 24.0F;
  p = p * r + 1.0F / 6.0F;
  p = p * r + 0.5F;
  p = p * r * r + r + 1.0F;
  const uint32_t power = (__builtin_bit_cast(uint32_t, shifted) + 127U) << 23;
  return p * __builtin_bit_cast(float, power);
}

// log(1 + e) for e in [0, 1]: 2 artanh(e / (2 + e)), the argument at most 1/3; error below 2e-7.
inline float LogOfOnePlus(float e) {
  const float q = e / (2.0F + e);
  const float q2 = q * q;
  float p = 1.0F / 11.0F;
  p = p * q2 + 1.0F / 9.0F;
  p = p * q2 + 1.0F / 7.0F;
  p = p * q2 + 1.0F / 5.0F;
  p = p * q2 + 1.0F / 3.0F;
  return 2.0F * (q + q * q2 * p);
}

// One neuron: its loss; the score becomes the slope.
inline float LossOf(float h, float norm, float bias, LogisticTerms terms, float* score) {
  const float s = *score + bias;
  const float magnitude = s < 0 ? -s : s;
  const float near = magnitude > kFarthest ? kFarthest : magnitude;  // NaN stays NaN
  const float e = ExpOfMinus(near);
  const float tail = LogOfOnePlus(e);
  const float value = h * norm * terms.inverse_price;
  const float w = value > terms.most ? terms.most : value;
  const float p = (s < 0 ? e : 1.0F) / (1.0F + e);
  *score = (p * (w + 1.0F) - w) * terms.factor;
  const float above = s > 0 ? s : 0.0F, below = s < 0 ? -s : 0.0F;
  return above + tail + w * (below + tail);
}

inline double LossOfBlock(const float* __restrict h, const float* __restrict norms,
                          const float* __restrict biases, LogisticTerms terms, int64_t n,
                          float* __restrict scores) {
  float losses[kLogisticBlock];
  for (int64_t i = 0; i < n; ++i) {
    losses[i] = LossOf(h[i], norms[i], biases[i], terms, scores + i);
  }
  for (int64_t i = n; i < kLogisticBlock; ++i) losses[i] = 0;
  constexpr int64_t kSums = 16;  // side by side, so that their order is the same everywhere
  float sums[kSums] = {};
  for (int64_t i = 0; i < kLogisticBlock; i += kSums) {
    for (int64_t j = 0; j < kSums; ++j) sums[j] += losses[i + j];
  }
  double total = 0;
  for (const float sum : sums) total += static_cast<double>(sum);
  return total;
}

}  // namespace
}  // namespace thermocline

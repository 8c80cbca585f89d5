#include "train/logistic_loss.h"

#include <algorithm>
#include <bit>
#include <vector>

namespace thermocline {
namespace {

// The functions below have no branches and no calls, so that the compiler makes vectors of them,
// and no fused steps, so that vectors of any width give the same bits.

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
  const uint32_t power = (std::bit_cast<uint32_t>(shifted) + 127U) << 23;
  return p * std::bit_cast<float>(power);
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

// What all elements share.
struct Terms {
  float inverse_price;
  float most;
  float factor;
};

// One element: its loss; the score becomes the slope.
inline float LossOf(float h, float norm, float bias, const Terms& terms, float* score) {
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

constexpr int64_t kBlock = 256;
constexpr int64_t kLanes = 16;  // sums side by side, so that their order is the same everywhere

// n <= kBlock.
double BlockLoss(const float* __restrict h, const float* __restrict norms,
                 const float* __restrict biases, Terms terms, int64_t n,
                 float* __restrict scores) {
  float losses[kBlock];
  for (int64_t i = 0; i < n; ++i) {
    losses[i] = LossOf(h[i], norms[i], biases[i], terms, scores + i);
  }
  std::fill(losses + n, losses + kBlock, 0.0F);
  float sums[kLanes] = {};
  for (int64_t i = 0; i < kBlock; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) sums[lane] += losses[i + lane];
  }
  double total = 0;
  for (const float sum : sums) total += static_cast<double>(sum);
  return total;
}

}  // namespace

double LogisticLoss(const float* h, const float* norms, const float* biases,
                    const LossShape& shape, float factor, int64_t n_tokens, int64_t n_ff,
                    float* scores, ThreadPool& pool) {
  const Terms terms{1.0F / shape.price, shape.most, factor};
  std::vector<double> rows(static_cast<size_t>(n_tokens));
  auto row = [&](int64_t t, int) {
    double total = 0;
    for (int64_t n = 0; n < n_ff; n += kBlock) {
      const int64_t at = t * n_ff + n;
      total += BlockLoss(h + at, norms + n, biases + n, terms, std::min(kBlock, n_ff - n),
                         scores + at);
    }
    rows[static_cast<size_t>(t)] = total;
  };
  pool.ParallelFor(n_tokens, row);
  double total = 0;
  for (const double loss : rows) total += loss;
  return total;
}

}  // namespace thermocline

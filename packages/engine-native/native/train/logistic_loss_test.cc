#include "train/logistic_loss.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "train/logistic_block.h"
#include "util/cpu_features.h"
#include "util/testing.h"

namespace thermocline {
namespace {

double ElementLoss(double s, double value, const LossShape& shape) {
  const double w =
      std::min(value / static_cast<double>(shape.price), static_cast<double>(shape.most));
  return std::log1p(std::exp(-std::fabs(s))) * (1 + w) + std::max(s, 0.0) + w * std::max(-s, 0.0);
}

TEST(LogisticLoss, IsTheLossItNamesWithItsSlope) {
  ThreadPool pool(2);
  const LossShape shape{0.25F, 10.0F};
  std::vector<float> scores, h, norms, biases;
  for (double s = -25; s < 25; s += 0.01) {
    scores.push_back(static_cast<float>(s) - 0.5F);
    biases.push_back(0.5F);
    h.push_back(scores.size() % 3 == 0 ? static_cast<float>(scores.size() % 7) : 0.0F);
    norms.push_back(0.5F);
  }
  const auto n = static_cast<int64_t>(scores.size());
  std::vector<float> slopes = scores;
  const double loss = LogisticLoss(h.data(), norms.data(), biases.data(), shape, 0.5F, 1, n,
                                   slopes.data(), pool);
  double expected = 0;
  for (size_t i = 0; i < slopes.size(); ++i) {
    const double s = static_cast<double>(scores[i] + 0.5F), value = static_cast<double>(h[i] / 2);
    expected += ElementLoss(s, value, shape);
    const double w = std::min(value * 4, 10.0), p = 1 / (1 + std::exp(-s));
    EXPECT_NEAR(slopes[i], 0.5 * (p * (w + 1) - w), 2e-6);
  }
  EXPECT_NEAR(loss / expected, 1.0, 1e-6);
}

TEST(LogisticLoss, FarScoresStayFiniteAndFaultsShow) {
  ThreadPool pool(1);
  const float h[] = {0, 3}, norms[] = {1, 1}, biases[] = {0, 0};
  for (const float far : {-1e30F, -200.0F, 200.0F, 1e30F}) {
    float scores[] = {far, far};
    const double loss = LogisticLoss(h, norms, biases, {}, 1.0F, 1, 2, scores, pool);
    EXPECT_NEAR(loss / static_cast<double>(std::fabs(far)), far > 0 ? 2.0 : 3.0, 1e-6);
    EXPECT_NEAR(scores[0], far > 0 ? 1.0 : 0.0, 1e-6);
    EXPECT_NEAR(scores[1], far > 0 ? 1.0 : -3.0, 1e-6);
  }
  for (const float bad : {NAN, INFINITY, -INFINITY}) {
    float scores[] = {bad, 0};
    EXPECT_FALSE(std::isfinite(LogisticLoss(h, norms, biases, {}, 1.0F, 1, 2, scores, pool)));
  }
  const float bad_h[] = {NAN, 0};
  float scores[] = {1, 1};
  EXPECT_FALSE(std::isfinite(LogisticLoss(bad_h, norms, biases, {}, 1.0F, 1, 2, scores, pool)));
}

#if TC_X86_KERNELS
TEST(LogisticLoss, EveryWidthOfVectorsGivesTheSameBits) {
  const CpuFeatures features = DetectCpuFeatures();
  std::vector<float> scores, h, norms, biases;
  for (int i = 0; i < kLogisticBlock; ++i) {
    scores.push_back(static_cast<float>(i % 61 - 30) * 0.71F);
    h.push_back(static_cast<float>(std::max(0, i % 13 - 8)) * 0.3F);
    norms.push_back(0.9F);
    biases.push_back(0.01F * static_cast<float>(i));
  }
  for (const int64_t n : {int64_t{1}, int64_t{7}, int64_t{100}, kLogisticBlock}) {
    std::vector<float> plain = scores;
    const LogisticTerms terms{1.7F, 2.0F, 0.1F};
    const double loss = LossOfBlock(h.data(), norms.data(), biases.data(), terms, n, plain.data());
    const auto same = [&](LogisticBlock block) {
      std::vector<float> slopes = scores;
      EXPECT_EQ(block(h.data(), norms.data(), biases.data(), terms, n, slopes.data()), loss);
      EXPECT_TRUE(slopes == plain);
    };
    if (features.avx2) same(avx2::LossOfLogisticBlock);
    if (features.avx512) same(avx512::LossOfLogisticBlock);
  }
}
#endif

}  // namespace
}  // namespace thermocline

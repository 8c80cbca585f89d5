#include "train/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "util/testing.h"

namespace thermocline {
namespace {

std::vector<double> RandomSymmetric(size_t n, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> a(n * n);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j <= i; ++j) a[i * n + j] = a[j * n + i] = normal(random);
  }
  return a;
}

// A v = λ v, and v · v' = (v is v').
void ExpectDecomposes(const std::vector<double>& a, size_t n) {
  const auto eigen = DecomposeSymmetric(a, static_cast<int64_t>(n));
  ASSERT_OK(eigen);
  ASSERT_EQ(eigen->values.size(), n);
  double scale = 1e-30;
  for (const double value : a) scale = std::max(scale, std::fabs(value));
  const double tolerance = 1e-13 * static_cast<double>(n) * scale;
  double worst = 0, skew = 0;
  for (size_t i = 0; i < n; ++i) {
    const double* const v = &eigen->vectors[i * n];
    if (i > 0) EXPECT_GE(eigen->values[i - 1], eigen->values[i]);
    for (size_t r = 0; r < n; ++r) {
      double product = 0, dot = 0;
      for (size_t c = 0; c < n; ++c) {
        product += a[r * n + c] * v[c];
        dot += v[c] * eigen->vectors[r * n + c];
      }
      worst = std::max(worst, std::fabs(product - eigen->values[i] * v[r]));
      skew = std::max(skew, std::fabs(dot - (r == i ? 1.0 : 0.0)));
    }
  }
  EXPECT_LE(worst, tolerance);
  EXPECT_LE(skew, 1e-13 * static_cast<double>(n));
}

TEST(SymmetricEigen, DecomposesRandomMatrices) {
  for (const size_t n : {1U, 2U, 3U, 5U, 16U, 67U}) ExpectDecomposes(RandomSymmetric(n, 3), n);
}

TEST(SymmetricEigen, DecomposesMatricesWithRepeatedAndZeroValues) {
  const size_t n = 20;
  ExpectDecomposes(std::vector<double>(n * n, 0.0), n);
  ExpectDecomposes(std::vector<double>(n * n, 2.5), n);  // one value n · 2.5, the others zero
  std::vector<double> diagonal(n * n), blocks(n * n);
  for (size_t i = 0; i < n; ++i) {
    diagonal[i * n + i] = static_cast<double>(i % 3);
    for (size_t j = 0; j < n; ++j) blocks[i * n + j] = i / 5 == j / 5 ? 1 : 0;
  }
  ExpectDecomposes(diagonal, n);
  ExpectDecomposes(blocks, n);
}

TEST(SymmetricEigen, KeepsDigitsAcrossMagnitudes) {
  std::vector<double> a = RandomSymmetric(12, 5);
  for (double& value : a) value *= 1e-150;
  ExpectDecomposes(a, 12);
  const auto eigen = DecomposeSymmetric({2, 0, 1, 2}, 2);  // the upper triangle is not read
  ASSERT_OK(eigen);
  EXPECT_NEAR(eigen->values[0], 3, 1e-15);
  EXPECT_NEAR(eigen->values[1], 1, 1e-15);
}

TEST(SymmetricEigen, RefusesNumbersThatAreNotFinite) {
  EXPECT_STATUS(DecomposeSymmetric({1, 0, std::nan(""), 1}, 2), StatusCode::kInvalidArgument);
  EXPECT_OK(DecomposeSymmetric({}, 0));
}

}  // namespace
}  // namespace thermocline

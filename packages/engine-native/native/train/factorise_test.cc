#include "train/factorise.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "util/testing.h"

namespace thermocline {
namespace {

const Kernels& kKernels = *SelectKernels("auto");

struct Problem {
  int64_t n_ff = 0;
  int64_t d_model = 0;
  std::vector<float> weights;     // W
  std::vector<float> covariance;  // C
  std::vector<double> singular;   // of W C^½, descending
};

// x - 2 v (v·x) with v of length 1: a reflection.
void Reflect(std::vector<double>& x, const std::vector<double>& v) {
  double dot = 0;
  for (size_t i = 0; i < x.size(); ++i) dot += x[i] * v[i];
  for (size_t i = 0; i < x.size(); ++i) x[i] -= 2 * dot * v[i];
}

// W = H₁ Σ H₂ and C = H₂ D² H₂ with reflections H: the singular values of W C^½ are those of Σ D,
// known without any decomposition.
Problem KnownProblem(int64_t n_ff, int64_t d_model, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  const auto n = static_cast<size_t>(n_ff), d = static_cast<size_t>(d_model);
  const auto unit = [&](size_t size) {
    std::vector<double> v(size);
    double square = 0;
    for (double& value : v) value = normal(random), square += value * value;
    for (double& value : v) value /= std::sqrt(square);
    return v;
  };
  const std::vector<double> left = unit(n), right = unit(d);
  Problem problem{n_ff, d_model, std::vector<float>(n * d), std::vector<float>(d * d), {}};
  std::vector<std::vector<double>> columns(d, std::vector<double>(n));  // of H₁ Σ
  std::vector<double> variance(d);
  for (size_t i = 0; i < d; ++i) {
    const double s = i < n ? 2 / std::sqrt(1 + static_cast<double>(i)) : 0;
    const double deviation = 0.3 + static_cast<double>(i * 7 % 11) / 5;
    if (i < n) columns[i][i] = s;
    Reflect(columns[i], left);
    variance[i] = deviation * deviation;
    problem.singular.push_back(s * deviation);
  }
  std::vector<double> row(d);
  for (size_t r = 0; r < n; ++r) {
    for (size_t c = 0; c < d; ++c) row[c] = columns[c][r];
    Reflect(row, right);
    std::transform(row.begin(), row.end(), problem.weights.begin() + static_cast<int64_t>(r * d),
                   [](double v) { return static_cast<float>(v); });
  }
  for (size_t r = 0; r < d; ++r) {
    std::fill(row.begin(), row.end(), 0.0);
    row[r] = 1;
    Reflect(row, right);
    for (size_t c = 0; c < d; ++c) row[c] *= variance[c];
    Reflect(row, right);
    std::transform(row.begin(), row.end(), problem.covariance.begin() + static_cast<int64_t>(r * d),
                   [](double v) { return static_cast<float>(v); });
  }
  std::sort(problem.singular.begin(), problem.singular.end(), std::greater<>());
  return problem;
}

// E‖(W - U A) x‖² = tr((W - UA) C (W - UA)ᵀ), of the first `rank` terms.
double ErrorOf(const Problem& problem, const Factorisation& f, int64_t rank) {
  const auto n = static_cast<size_t>(problem.n_ff), d = static_cast<size_t>(problem.d_model);
  double error = 0;
  for (size_t row = 0; row < n; ++row) {
    std::vector<double> left(d);
    for (size_t c = 0; c < d; ++c) {
      left[c] = static_cast<double>(problem.weights[row * d + c]);
      for (size_t r = 0; r < static_cast<size_t>(rank); ++r) {
        left[c] -= static_cast<double>(f.up[row * static_cast<size_t>(f.rank) + r]) *
                   static_cast<double>(f.down[r * d + c]);
      }
    }
    for (size_t i = 0; i < d; ++i) {
      double sum = 0;
      for (size_t j = 0; j < d; ++j) {
        sum += static_cast<double>(problem.covariance[i * d + j]) * left[j];
      }
      error += left[i] * sum;
    }
  }
  return error;
}

double TailOf(const Problem& problem, int64_t rank) {
  double tail = 0;
  for (size_t i = static_cast<size_t>(rank); i < problem.singular.size(); ++i) {
    tail += problem.singular[i] * problem.singular[i];
  }
  return tail;
}

Result<Factorisation> Run(const Problem& problem, int64_t rank, ThreadPool& pool,
                          const Running& running = {}) {
  return Factorise(problem.weights, problem.covariance, problem.n_ff, problem.d_model, rank,
                   kKernels, running, pool);
}

TEST(Factorise, ReachesTheLeastErrorAtEveryRank) {
  ThreadPool pool(2);
  for (const auto& [n_ff, d_model] : {std::pair{70, 24}, {24, 40}, {33, 33}}) {
    const Problem problem = KnownProblem(n_ff, d_model, 5);
    const auto f = Run(problem, d_model, pool);
    ASSERT_OK(f);
    double total = 0;
    for (const double s : problem.singular) total += s * s;
    for (size_t r = 0; r < problem.singular.size(); ++r) {
      EXPECT_NEAR(f->explained[r], problem.singular[r] * problem.singular[r], 1e-5 * total);
    }
    for (const int64_t rank : {1, 4, 20, d_model}) {  // nested: the same factors, cut off
      EXPECT_NEAR(ErrorOf(problem, *f, rank), TailOf(problem, rank), 2e-5 * total);
    }
    double variance = 0;
    for (const double each : f->variance) variance += each;
    EXPECT_NEAR(variance, total, 1e-5 * total);
  }
}

// Wide enough for the subspace method.
TEST(Factorise, ComesCloseToTheLeastErrorInASubspace) {
  ThreadPool pool(2);
  const Problem problem = KnownProblem(560, 544, 6);
  const auto f = Run(problem, 40, pool);
  ASSERT_OK(f);
  if (testing::IsSlow()) return;  // working out the errors takes longest
  for (const int64_t rank : {8, 40}) {
    const double least = TailOf(problem, rank);
    EXPECT_GE(ErrorOf(problem, *f, rank), least * 0.9999);
    EXPECT_LE(ErrorOf(problem, *f, rank), least * 1.001);
  }
}

TEST(Factorise, WeighsByTheInputsThatOccur) {
  ThreadPool pool(1);
  const Problem problem = KnownProblem(50, 30, 7);
  const auto plain = Factorise(problem.weights, {}, 50, 30, 8, kKernels, {}, pool);
  const auto weighted = Run(problem, 8, pool);
  ASSERT_OK(plain);
  ASSERT_OK(weighted);
  EXPECT_LT(ErrorOf(problem, *weighted, 8), 0.9 * ErrorOf(problem, *plain, 8));
  Problem white = problem;
  std::fill(white.covariance.begin(), white.covariance.end(), 0.0F);
  for (size_t i = 0; i < 30; ++i) white.covariance[i * 31] = 1;
  EXPECT_LT(ErrorOf(white, *plain, 8), 0.9 * ErrorOf(white, *weighted, 8));
}

TEST(Factorise, GivesInputsOfUnitVariance) {
  ThreadPool pool(1);
  const Problem problem = KnownProblem(50, 30, 8);
  const auto f = Run(problem, 12, pool);
  ASSERT_OK(f);
  for (size_t r = 0; r < 12; ++r) {
    double variance = 0;
    for (size_t i = 0; i < 30; ++i) {
      for (size_t j = 0; j < 30; ++j) {
        variance += static_cast<double>(f->down[r * 30 + i]) * static_cast<double>(f->down[r * 30 + j]) *
                    static_cast<double>(problem.covariance[i * 30 + j]);
      }
    }
    EXPECT_NEAR(variance, 1, 1e-4);
  }
}

TEST(Factorise, FillsUpWithZerosBeyondTheRankThatIsThere) {
  ThreadPool pool(1);
  Problem problem = KnownProblem(40, 16, 9);
  for (size_t i = 0; i < problem.weights.size(); ++i) {
    problem.weights[i] = static_cast<float>(i / 16 % 5) * static_cast<float>(i % 16);  // rank 1
  }
  const auto f = Run(problem, 32, pool);
  ASSERT_OK(f);
  EXPECT_EQ(f->down.size(), 32U * 16U);
  EXPECT_EQ(f->up.size(), 40U * 32U);
  EXPECT_GT(f->explained[0], 0.0);
  for (size_t r = 1; r < 32; ++r) EXPECT_LE(f->explained[r], 1e-6 * f->explained[0]);
  for (const float value : f->up) EXPECT_TRUE(std::isfinite(value));
  std::fill(problem.weights.begin(), problem.weights.end(), 0.0F);
  const auto none = Run(problem, 4, pool);
  ASSERT_OK(none);
  EXPECT_EQ(none->explained[0], 0.0);
}

TEST(Factorise, GivesTheSameBitsForAnyNumberOfThreads) {
  ThreadPool one(1), three(3);
  const Problem problem = KnownProblem(90, 64, 10);
  const auto a = Run(problem, 32, one);
  const auto b = Run(problem, 32, three);
  ASSERT_OK(a);
  ASSERT_OK(b);
  EXPECT_TRUE(a->down == b->down);
  EXPECT_TRUE(a->up == b->up);
}

TEST(Factorise, RefusesWhatItCannotFactorise) {
  ThreadPool pool(1);
  Problem problem = KnownProblem(8, 6, 11);
  EXPECT_STATUS(Run(problem, 0, pool), StatusCode::kInvalidArgument);
  EXPECT_STATUS(Run(problem, 9, pool), StatusCode::kInvalidArgument);
  const std::atomic<bool> cancel{true};
  EXPECT_STATUS(Run(problem, 4, pool, {&cancel, nullptr}), StatusCode::kAborted);
  problem.weights[3] = std::nanf("");
  EXPECT_STATUS(Run(problem, 4, pool), StatusCode::kInvalidArgument);
  problem.weights.pop_back();
  EXPECT_STATUS(Run(problem, 4, pool), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace thermocline

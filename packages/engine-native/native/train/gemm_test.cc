#include "train/gemm.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "util/testing.h"

namespace thermocline {
namespace {

struct Matrix {
  int64_t rows, cols;
  std::vector<float> values;
  MatrixView view() const { return {values.data(), rows, cols}; }
  float at(int64_t row, int64_t col) const { return values[static_cast<size_t>(row * cols + col)]; }
};

Matrix Random(int64_t rows, int64_t cols, uint32_t seed) {
  std::mt19937 random(seed);
  Matrix m{rows, cols, std::vector<float>(static_cast<size_t>(rows * cols))};
  for (float& v : m.values) v = static_cast<float>(random() % 2001) / 1000.0F - 1.0F;
  return m;
}

Matrix Transposed(const Matrix& m, ThreadPool& pool) {
  Matrix out{m.cols, m.rows, std::vector<float>(m.values.size())};
  Transpose(m.view(), out.values.data(), pool);
  return out;
}

// The largest difference from the sums in double, over the largest such sum.
double ErrorOf(const Matrix& a, const Matrix& b_t, const std::vector<float>& c) {
  double worst = 0, largest = 1e-30;
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < b_t.rows; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < a.cols; ++k) {
        sum += static_cast<double>(a.at(i, k)) * static_cast<double>(b_t.at(j, k));
      }
      const double got = static_cast<double>(c[static_cast<size_t>(i * b_t.rows + j)]);
      worst = std::max(worst, std::fabs(got - sum));
      largest = std::max(largest, std::fabs(sum));
    }
  }
  return worst / largest;
}

struct Shape {
  int64_t m, k, n;
};
// Below, at and beyond a chunk on each side, and lengths no vector divides.
constexpr Shape kShapes[] = {{1, 1, 1},    {3, 7, 5},      {96, 64, 128},
                             {97, 33, 129}, {200, 104, 300}, {5, 1000, 260}};

TEST(Gemm, BothProductsAreTheSumsTheyName) {
  ThreadPool pool(2);
  for (const Kernels* kernels : {&ReferenceKernels(), SelectKernels("auto")}) {
    for (const Shape s : kShapes) {
      const Matrix a = Random(s.m, s.k, 1), b_t = Random(s.n, s.k, 2);
      std::vector<float> c(static_cast<size_t>(s.m * s.n), NAN);
      Multiply(a.view(), b_t.view(), c.data(), *kernels, pool);
      EXPECT_LE(ErrorOf(a, b_t, c), 1e-6);
      std::fill(c.begin(), c.end(), NAN);
      MultiplyUntransposed(a.view(), Transposed(b_t, pool).view(), c.data(), *kernels, pool);
      EXPECT_LE(ErrorOf(a, b_t, c), 1e-6);
    }
  }
}

TEST(Gemm, ThreadsAndNeighboursChangeNoBit) {
  const Kernels& kernels = *SelectKernels("auto");
  for (const Shape s : kShapes) {
    const Matrix a = Random(s.m, s.k, 3), b_t = Random(s.n, s.k, 4);
    ThreadPool one(1);
    const Matrix b = Transposed(b_t, one);
    std::vector<float> dot(static_cast<size_t>(s.m * s.n)), add(dot.size());
    Multiply(a.view(), b_t.view(), dot.data(), kernels, one);
    MultiplyUntransposed(a.view(), b.view(), add.data(), kernels, one);
    for (const int threads : {2, 3}) {
      ThreadPool pool(threads);
      std::vector<float> c(dot.size());
      Multiply(a.view(), b_t.view(), c.data(), kernels, pool);
      EXPECT_TRUE(c == dot);
      MultiplyUntransposed(a.view(), b.view(), c.data(), kernels, pool);
      EXPECT_TRUE(c == add);
    }
    // The last row alone.
    const MatrixView last{a.values.data() + (s.m - 1) * s.k, 1, s.k};
    std::vector<float> row(static_cast<size_t>(s.n));
    Multiply(last, b_t.view(), row.data(), kernels, one);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), dot.end() - s.n));
    MultiplyUntransposed(last, b.view(), row.data(), kernels, one);
    EXPECT_TRUE(std::equal(row.begin(), row.end(), add.end() - s.n));
  }
}

TEST(Gemm, TransposeMovesEveryElement) {
  for (const int threads : {1, 3}) {
    ThreadPool pool(threads);
    for (const Shape s : kShapes) {
      const Matrix a = Random(s.m, s.n, 5);
      const Matrix t = Transposed(a, pool);
      for (int64_t i = 0; i < a.rows; ++i) {
        for (int64_t j = 0; j < a.cols; ++j) EXPECT_EQ(t.at(j, i), a.at(i, j));
      }
    }
  }
}

TEST(Gemm, EmptyProductsAreLeftAlone) {
  ThreadPool pool(2);
  const Matrix a = Random(4, 3, 6);
  Multiply({nullptr, 0, 3}, a.view(), nullptr, ReferenceKernels(), pool);
  Multiply(a.view(), {nullptr, 0, 3}, nullptr, ReferenceKernels(), pool);
  MultiplyUntransposed({nullptr, 0, 4}, a.view(), nullptr, ReferenceKernels(), pool);
  Transpose({nullptr, 0, 4}, nullptr, pool);
}

}  // namespace
}  // namespace thermocline

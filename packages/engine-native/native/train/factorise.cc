#include "train/factorise.h"

#include <algorithm>
#include <cmath>
#include <random>
#include <span>
#include <string>
#include <utility>

#include "train/gemm.h"
#include "train/gram.h"
#include "train/symmetric_eigen.h"
#include "util/system_memory.h"

namespace thermocline {
namespace {

// Up to this width the whole space is decomposed; beyond it, a subspace a little larger than the
// rank is turned towards the leading directions. Each turn applies WᵀW and C, and narrows the
// error by the fourth power of the ratio of singular values; after six the excess over the best
// possible error is below a thousandth.
constexpr int64_t kWholeSpace = 512;
constexpr int kTurns = 6;
// A vector that lies in the span of those before it but for this share of its length is dropped.
constexpr double kDependent = 1e-5;

// Rows one after another: a set of vectors, transposed.
struct Rows {
  int64_t n = 0;
  int64_t cols = 0;
  std::vector<float> values;

  Rows(int64_t count, int64_t width)
      : n(count), cols(width), values(static_cast<size_t>(count * width)) {}
  Rows(int64_t count, int64_t width, std::vector<float> from)
      : n(count), cols(width), values(std::move(from)) {}
  MatrixView view() const { return {values.data(), n, cols}; }
};

class Factoriser {
 public:
  Factoriser(std::span<const float> weights, std::span<const float> covariance, int64_t n_ff,
             int64_t d_model, const Kernels& kernels, ThreadPool& pool)
      : w_{weights.data(), n_ff, d_model}, kernels_(kernels), pool_(pool) {
    if (!covariance.empty()) c_ = {covariance.data(), d_model, d_model};
  }

  Result<Factorisation> Run(int64_t rank, const Running& running) {
    const int64_t block = rank + std::max<int64_t>(64, rank / 4);
    const bool whole = w_.cols <= kWholeSpace || block * 4 >= w_.cols * 3;
    // The columns of W on the subspace: they span the wanted left singular vectors. [block][n_ff]
    Rows left(0, 0);
    if (whole) {
      left = Transposed(w_);
    } else {
      Rows basis = Random(block);
      RETURN_IF_ERROR(Turn(basis, running.Part(0, 0.7)));
      left = Product(basis.view(), w_);
    }
    Orthonormalise(left);
    Orthonormalise(left);
    RETURN_IF_ERROR(running.Report(0.8));
    return Project(left, rank, running.Part(0.8, 1));
  }

 private:
  // a b_tᵀ
  Rows Product(MatrixView a, MatrixView b_t) {
    Rows result(a.rows, b_t.rows);
    Multiply(a, b_t, result.values.data(), kernels_, pool_);
    return result;
  }
  Rows WithItself(const Rows& a) {
    Rows result(a.n, a.n);
    MultiplyBySelf(a.view(), result.values.data(), kernels_, pool_);
    return result;
  }
  Rows ProductUntransposed(MatrixView a, MatrixView b) {
    Rows result(a.rows, b.cols);
    MultiplyUntransposed(a, b, result.values.data(), kernels_, pool_);
    return result;
  }
  Rows Transposed(MatrixView a) {
    Rows result(a.cols, a.rows);
    Transpose(a, result.values.data(), pool_);
    return result;
  }
  // Each vector times C.
  Rows TimesCovariance(const Rows& vectors) {
    return c_.data != nullptr ? Product(vectors.view(), c_) : vectors;
  }

  Rows Random(int64_t n) {
    std::mt19937 random(1);  // its numbers are the same everywhere; those of distributions are not
    Rows rows(n, w_.cols);
    for (float& value : rows.values) {
      value = static_cast<float>(static_cast<int32_t>(random())) * 0x1p-31F;
    }
    return rows;
  }

  // Turns the subspace towards the leading eigenvectors of C WᵀW.
  Status Turn(Rows& basis, const Running& running) {
    const Rows columns = Transposed(w_);
    const Rows squared = WithItself(columns);  // WᵀW
    for (int turn = 0; turn < kTurns; ++turn) {
      RETURN_IF_ERROR(running.Report(static_cast<double>(turn + 1) / (kTurns + 1)));
      basis = Product(basis.view(), squared.view());
      Orthonormalise(basis);
      basis = TimesCovariance(basis);
      Orthonormalise(basis);
    }
    return Status::Ok();
  }

  // Cholesky of the vectors' products with one another; vectors that depend on those before them
  // become zero. One call leaves an error that a second one removes.
  void Orthonormalise(Rows& vectors) {
    const auto n = static_cast<size_t>(vectors.n);
    const Rows gram = WithItself(vectors);
    std::vector<double> l(n * n), inverse(n * n);  // lower triangles; zero rows where dependent
    for (size_t i = 0; i < n; ++i) {
      double* const row = &l[i * n];
      for (size_t j = 0; j <= i; ++j) {
        double sum = static_cast<double>(gram.values[i * n + j]);
        for (size_t k = 0; k < j; ++k) sum -= row[k] * l[j * n + k];
        if (j < i) {
          row[j] = l[j * n + j] > 0 ? sum / l[j * n + j] : 0;
        } else {
          const double own = static_cast<double>(gram.values[i * n + i]);
          row[i] = sum > kDependent * own && own > 0 ? std::sqrt(sum) : 0;
        }
      }
    }
    for (size_t i = 0; i < n; ++i) {
      if (l[i * n + i] == 0) continue;
      const double scale = 1 / l[i * n + i];
      double* const row = &inverse[i * n];
      for (size_t k = 0; k < i; ++k) {
        const double factor = -l[i * n + k] * scale;
        if (factor == 0) continue;
        for (size_t j = 0; j <= k; ++j) row[j] += factor * inverse[k * n + j];
      }
      row[i] = scale;
    }
    const Rows solve(vectors.n, vectors.n, {inverse.begin(), inverse.end()});
    vectors = ProductUntransposed(solve.view(), vectors.view());
  }

  // The best factorisation whose left vectors lie in the span of `left`: W ≈ P PᵀW, P the leading
  // eigenvectors of W C Wᵀ there.
  Result<Factorisation> Project(const Rows& left, int64_t rank, const Running& running) {
    const Rows thin = ProductUntransposed(left.view(), w_);  // leftᵀ W
    const Rows thin_c = TimesCovariance(thin);
    const Rows small = Product(thin_c.view(), thin.view());
    RETURN_IF_ERROR(running.Report(0.3));
    ASSIGN_OR_RETURN(const SymmetricEigen eigen,
                     DecomposeSymmetric({small.values.begin(), small.values.end()}, left.n));
    RETURN_IF_ERROR(running.Report(0.8));
    const int64_t kept = std::min(rank, left.n);
    const Rows turn(kept, left.n,
                    {eigen.vectors.begin(), eigen.vectors.begin() + kept * left.n});
    Rows down = ProductUntransposed(turn.view(), thin.view());
    Rows up = ProductUntransposed(turn.view(), left.view());

    Factorisation result;
    result.rank = rank;
    const double negligible = std::max(0.0, eigen.values[0]) * 1e-10;
    for (int64_t r = 0; r < kept; ++r) {
      const double value = eigen.values[static_cast<size_t>(r)];
      const bool counts = value > negligible;
      result.explained.push_back(counts ? value : 0);
      Scale(down, r, counts ? 1 / std::sqrt(value) : 0);
      Scale(up, r, counts ? std::sqrt(value) : 0);
    }
    result.explained.resize(static_cast<size_t>(rank));
    result.down = std::move(down.values);
    result.down.resize(static_cast<size_t>(rank * w_.cols));
    up.values.resize(static_cast<size_t>(rank * w_.rows));
    up.n = rank;
    result.up = Transposed(up.view()).values;
    result.variance = Variances();
    return result;
  }

  static void Scale(Rows& rows, int64_t row, double factor) {
    const std::span<float> values(rows.values.data() + row * rows.cols,
                                  static_cast<size_t>(rows.cols));
    for (float& value : values) value *= static_cast<float>(factor);
  }

  // wᵀ C w of every row of W.
  std::vector<double> Variances() {
    std::vector<double> variances(static_cast<size_t>(w_.rows));
    Rows weighted(0, 0);
    if (c_.data != nullptr) weighted = Product(w_, c_);
    auto dot = [&](int64_t row, int) {
      const float* const a = w_.data + row * w_.cols;
      const float* const b = c_.data != nullptr ? weighted.values.data() + row * w_.cols : a;
      double sum = 0;
      for (int64_t c = 0; c < w_.cols; ++c) sum += static_cast<double>(a[c]) * static_cast<double>(b[c]);
      variances[static_cast<size_t>(row)] = std::max(0.0, sum);
    };
    pool_.ParallelFor(w_.rows, dot);
    return variances;
  }

  MatrixView w_;
  MatrixView c_;  // no data: the identity
  const Kernels& kernels_;
  ThreadPool& pool_;
};

constexpr double kLeastError = 0.03;  // of a row's own deviation

}  // namespace

std::vector<double> FactorisationErrors(const Factorisation& f) {
  std::vector<double> errors;
  const auto rank = static_cast<size_t>(f.rank);
  for (size_t n = 0; n < f.variance.size(); ++n) {
    double left = f.variance[n];
    for (size_t r = 0; r < rank; ++r) {
      const auto value = static_cast<double>(f.up[n * rank + r]);
      left -= value * value;  // the terms are uncorrelated and of unit variance
    }
    left = std::max(left, kLeastError * kLeastError * f.variance[n]);
    errors.push_back(left > 0 ? std::sqrt(left) : 1);
  }
  return errors;
}

Result<Factorisation> Factorise(std::span<const float> weights,
                                std::span<const float> covariance, int64_t n_ff,
                                int64_t d_model, int64_t rank, const Kernels& kernels,
                                const Running& running, ThreadPool& pool) {
  const auto size = static_cast<size_t>(n_ff * d_model);
  if (n_ff < 1 || d_model < 1 || rank < 1 || rank > std::max(n_ff, d_model)) {
    return Status(StatusCode::kInvalidArgument,
                  "a factorisation of a [" + std::to_string(n_ff) + ", " +
                      std::to_string(d_model) + "] matrix cannot have rank " +
                      std::to_string(rank));
  }
  if (weights.size() != size ||
      (!covariance.empty() && covariance.size() != static_cast<size_t>(d_model * d_model))) {
    return Status(StatusCode::kInvalidArgument, "a matrix to factorise does not have its shape");
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  if (!std::all_of(weights.begin(), weights.end(), finite) ||
      !std::all_of(covariance.begin(), covariance.end(), finite)) {
    return Status(StatusCode::kInvalidArgument, "a matrix to factorise is not finite");
  }
  // W and its transpose, WᵀW, and a few blocks of the subspace.
  const auto n = static_cast<uint64_t>(n_ff), d = static_cast<uint64_t>(d_model);
  const uint64_t block = std::min(d, 2 * static_cast<uint64_t>(rank) + 128);
  RETURN_IF_ERROR(RequireMemory((2 * n * d + d * d + 6 * block * (n + d) + 6 * block * block) * 4,
                                "Factorising a layer's first matrix"));
  return Factoriser(weights, covariance, n_ff, d_model, kernels, pool).Run(rank, running);
}

}  // namespace thermocline

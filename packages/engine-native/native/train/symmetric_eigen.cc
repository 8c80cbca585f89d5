#include "train/symmetric_eigen.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace thermocline {
namespace {

constexpr int kMaxSteps = 60;  // per eigenvalue; two or three are usual

double Dot(const double* a, const double* b, size_t n) {
  // Four sums, so that the additions need not wait for each other.
  double sum[4] = {};
  size_t i = 0;
  for (; i + 4 <= n; i += 4) {
    for (size_t j = 0; j < 4; ++j) sum[j] += a[i + j] * b[i + j];
  }
  for (; i < n; ++i) sum[0] += a[i] * b[i];
  return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

// The length of (a, b), without overflow on the way. (std::hypot would raise the least version of
// the C library that the binary needs.)
double Length(double a, double b) {
  const double larger = std::max(std::fabs(a), std::fabs(b));
  if (larger == 0) return 0;
  const double ratio = std::min(std::fabs(a), std::fabs(b)) / larger;
  return larger * std::sqrt(1 + ratio * ratio);
}

// The matrix as Qᵀ T Q: T has `diagonal` and, beside it, `off`; off[i] is right of diagonal[i].
struct Tridiagonal {
  std::vector<double> diagonal, off;
  std::vector<double> q;  // [n][n], orthonormal rows
};

// Reflections H = I - β v vᵀ clear the rows from the last one up, left of their neighbour.
Tridiagonal Reduce(std::vector<double> a, size_t n) {
  Tridiagonal result;
  result.diagonal.resize(n);
  result.off.assign(n, 0.0);
  std::vector<double> p(n), beta(n, 0.0);
  for (size_t i = n - 1; i > 0; --i) {
    double* const v = &a[i * n];  // its first i entries become the reflection's vector
    const double tail = std::sqrt(Dot(v, v, i - 1));
    result.diagonal[i] = v[i];
    if (tail == 0) {
      result.off[i - 1] = v[i - 1];
      continue;
    }
    const double length = Length(tail, v[i - 1]);
    const double target = v[i - 1] > 0 ? -length : length;
    result.off[i - 1] = target;
    v[i - 1] -= target;
    beta[i] = 2 / Dot(v, v, i);
    // A -= v wᵀ + w vᵀ with p = β A v and w = p - (β/2)(pᵀv) v, on the leading i × i part.
    std::fill(p.begin(), p.begin() + static_cast<std::ptrdiff_t>(i), 0.0);
    for (size_t r = 0; r < i; ++r) {
      const double* const row = &a[r * n];
      const double vr = v[r];
      p[r] += Dot(row, v, r) + row[r] * vr;
      for (size_t c = 0; c < r; ++c) p[c] += row[c] * vr;
    }
    for (size_t r = 0; r < i; ++r) p[r] *= beta[i];
    const double half = beta[i] / 2 * Dot(p.data(), v, i);
    for (size_t r = 0; r < i; ++r) p[r] -= half * v[r];
    for (size_t r = 0; r < i; ++r) {
      double* const row = &a[r * n];
      const double vr = v[r], wr = p[r];
      for (size_t c = 0; c <= r; ++c) row[c] -= vr * p[c] + wr * v[c];
    }
  }
  result.diagonal[0] = a[0];

  // Q is the product of the reflections, built from the smallest up, so that each touches only
  // the part that is not yet the identity.
  result.q.assign(n * n, 0.0);
  for (size_t i = 0; i < n; ++i) result.q[i * n + i] = 1;
  for (size_t i = 1; i < n; ++i) {
    if (beta[i] == 0) continue;
    const double* const v = &a[i * n];
    for (size_t r = 0; r < i; ++r) {  // rows of Q: q -= β (q · v) v
      double* const row = &result.q[r * n];
      const double s = beta[i] * Dot(row, v, i);
      for (size_t c = 0; c < i; ++c) row[c] -= s * v[c];
    }
  }
  return result;
}

// Turns rows i and i + 1 of the vectors by an angle.
void Rotate(double* upper, double* lower, size_t n, double c, double s) {
  for (size_t k = 0; k < n; ++k) {
    const double u = upper[k], l = lower[k];
    upper[k] = c * u - s * l;
    lower[k] = s * u + c * l;
  }
}

// Makes the off-diagonal vanish by implicit QL steps with Wilkinson's shift.
Status Diagonalise(Tridiagonal& t, size_t n) {
  std::vector<double>& d = t.diagonal;
  std::vector<double>& e = t.off;
  constexpr double kEpsilon = std::numeric_limits<double>::epsilon();
  double scale = 0;
  for (size_t i = 0; i < n; ++i) scale = std::max(scale, std::fabs(d[i]) + std::fabs(e[i]));
  const double tiny = scale * kEpsilon * 1e-3;
  for (size_t l = 0; l < n; ++l) {
    for (int step = 0;; ++step) {
      size_t m = l;
      while (m + 1 < n &&
             std::fabs(e[m]) > kEpsilon * (std::fabs(d[m]) + std::fabs(d[m + 1])) + tiny) {
        ++m;
      }
      if (m == l) break;
      if (step == kMaxSteps) {
        return Status(StatusCode::kInternal, "the eigenvalues of a symmetric matrix did not settle");
      }
      double g = (d[l + 1] - d[l]) / (2 * e[l]);
      g = d[m] - d[l] + e[l] / (g + std::copysign(Length(g, 1.0), g));
      double s = 1, c = 1, p = 0;
      bool split = false;
      for (size_t i = m; i-- > l;) {
        const double f = s * e[i];
        const double b = c * e[i];
        const double r = Length(f, g);
        e[i + 1] = r;
        if (r == 0) {  // the matrix falls apart here
          d[i + 1] -= p;
          e[m] = 0;
          split = true;
          break;
        }
        s = f / r;
        c = g / r;
        g = d[i + 1] - p;
        const double q = (d[i] - g) * s + 2 * c * b;
        p = s * q;
        d[i + 1] = g + p;
        g = c * q - b;
        Rotate(&t.q[i * n], &t.q[(i + 1) * n], n, c, s);
      }
      if (split) continue;
      d[l] -= p;
      e[l] = g;
      e[m] = 0;
    }
  }
  return Status::Ok();
}

}  // namespace

Result<SymmetricEigen> DecomposeSymmetric(std::vector<double> matrix, int64_t size) {
  const auto n = static_cast<size_t>(size);
  if (n == 0) return SymmetricEigen{};
  if (!std::all_of(matrix.begin(), matrix.end(), [](double v) { return std::isfinite(v); })) {
    return Status(StatusCode::kInvalidArgument, "a matrix to decompose is not finite");
  }
  Tridiagonal t = Reduce(std::move(matrix), n);
  RETURN_IF_ERROR(Diagonalise(t, n));
  std::vector<size_t> order(n);
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return t.diagonal[a] > t.diagonal[b]; });
  SymmetricEigen result;
  for (const size_t i : order) {
    result.values.push_back(t.diagonal[i]);
    const auto row = t.q.begin() + static_cast<std::ptrdiff_t>(i * n);
    result.vectors.insert(result.vectors.end(), row, row + static_cast<std::ptrdiff_t>(n));
  }
  return result;
}

}  // namespace thermocline

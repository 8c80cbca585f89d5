// All eigenvalues and eigenvectors of a symmetric matrix: Householder reduction to three
// diagonals, then implicit QL steps. About 9 n³ operations; for matrices up to a thousand.
#pragma once

#include <cstdint>
#include <vector>

#include "util/status.h"

namespace thermocline {

struct SymmetricEigen {
  std::vector<double> values;   // [n], descending
  std::vector<double> vectors;  // [n][n], row i belongs to values[i]; rows are orthonormal
};

// `matrix` [n][n], of which the lower triangle is read. kInternal when the steps do not converge,
// which finite numbers do not bring about; kInvalidArgument for others.
Result<SymmetricEigen> DecomposeSymmetric(std::vector<double> matrix, int64_t n);

}  // namespace thermocline

// Products of F32 matrices on all cores, through the engine's own kernels. What training and
// factorisation are made of: their scores are then computed as the engine computes them.
//
// The same bits for any thread count: every element of a product is one fixed sequence of
// operations over k, and a chunk of work is a rectangle of elements.
#pragma once

#include <cstdint>

#include "backends/kernels.h"
#include "util/thread_pool.h"

namespace thermocline {

// Rows one after another, without gaps.
struct MatrixView {
  const float* data = nullptr;  // [rows][cols]
  int64_t rows = 0;
  int64_t cols = 0;
};

// c[i][j] = dot(a[i], b_t[j]): a [m][k], b_t [n][k], the other factor transposed -> c [m][n].
// REQUIRES: a.cols == b_t.cols; c overlaps neither. Nothing is done for an empty c.
void Multiply(MatrixView a, MatrixView b_t, float* c, const Kernels& kernels, ThreadPool& pool);

// c[i] = Σ_j a[i][j] · b[j]: a [m][k], b [k][n] -> c [m][n]. The same product with b as it
// stands, for a b that it would cost something to transpose.
// REQUIRES: a.cols == b.rows; c overlaps neither.
void MultiplyUntransposed(MatrixView a, MatrixView b, float* c, const Kernels& kernels,
                          ThreadPool& pool);

// a [m][n] -> out [n][m]. REQUIRES: out does not overlap a.
void Transpose(MatrixView a, float* out, ThreadPool& pool);

}  // namespace thermocline

// The products of all rows of a matrix with one another.
#pragma once

#include "backends/kernels.h"
#include "train/gemm.h"
#include "util/thread_pool.h"

namespace thermocline {

// out [rows][rows] = a aᵀ: the bits of Multiply(a, a), at half its cost, as one half mirrors the
// other. Memory: a block of 512 rows of `out`. REQUIRES: out does not overlap a.
void MultiplyBySelf(MatrixView a, float* out, const Kernels& kernels, ThreadPool& pool);

}  // namespace thermocline

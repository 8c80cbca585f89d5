// A layer's first matrix as the product of two thin ones, W ≈ U A, chosen so that what they get
// wrong matters least on the inputs the layer really sees: least E‖Wx - U A x‖². That is the
// truncated singular value decomposition of W C^½ with C = E[x xᵀ]; nothing is trained. With the
// covariance of the inputs as C, the same is true of x less its mean.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "train/running.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

// The terms are in order of what they explain, so that the first r of them are the factorisation
// of rank r.
struct Factorisation {
  int64_t rank = 0;
  std::vector<float> down;             // A [rank][d_model], E(Ax)² = 1 in every row
  std::vector<float> up;               // U [n_ff][rank]
  std::vector<double> explained;       // [rank] what each term takes off E‖Wx‖²
  std::vector<double> variance;        // [n_ff] E(Wx)²
};

// Per neuron the standard deviation of what the product leaves of Wx unexplained. It is not
// let fall to nothing, where the rounding of weights is what remains. 1 for a row that is zero.
std::vector<double> FactorisationErrors(const Factorisation& factorisation);

// weights W [n_ff][d_model]; C [d_model][d_model], or empty for the plain decomposition
// of W (C = I). Terms beyond the rank of W C^½ are zero. The same bits for any number of threads.
// kInvalidArgument for a rank out of range or numbers that are not finite, kOutOfMemory, kAborted.
Result<Factorisation> Factorise(std::span<const float> weights,
                                std::span<const float> covariance, int64_t n_ff,
                                int64_t d_model, int64_t rank, const Kernels& kernels,
                                const Running& running, ThreadPool& pool);

}  // namespace thermocline

#include "train/logistic_loss.h"

#include <algorithm>
#include <vector>

#include "train/logistic_block.h"
#include "util/cpu_features.h"

namespace thermocline {

namespace {

// The widest that this processor runs. They differ in nothing but speed.
LogisticBlock WidestBlock() {
#if TC_X86_KERNELS
  const CpuFeatures features = DetectCpuFeatures();
  if (features.avx512) return avx512::LossOfLogisticBlock;
  if (features.avx2) return avx2::LossOfLogisticBlock;
#endif
  return LossOfBlock;
}

}  // namespace

double LogisticLoss(const float* h, const float* norms, const float* biases,
                    const LossShape& shape, float factor, int64_t n_tokens, int64_t n_ff,
                    float* scores, ThreadPool& pool) {
  static const LogisticBlock block = WidestBlock();
  const LogisticTerms terms{1.0F / shape.price, shape.most, factor};
  std::vector<double> rows(static_cast<size_t>(n_tokens));
  auto row = [&](int64_t t, int) {
    double total = 0;
    for (int64_t n = 0; n < n_ff; n += kLogisticBlock) {
      const int64_t at = t * n_ff + n;
      total += block(h + at, norms + n, biases + n, terms, std::min(kLogisticBlock, n_ff - n),
                     scores + at);
    }
    rows[static_cast<size_t>(t)] = total;
  };
  pool.ParallelFor(n_tokens, row);
  double total = 0;
  for (const double loss : rows) total += loss;
  return total;
}

}  // namespace thermocline

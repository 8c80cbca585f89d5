#include "train/logistic_block.h"

namespace thermocline::avx2 {

double LossOfLogisticBlock(const float* h, const float* norms, const float* biases,
                           LogisticTerms terms, int64_t n, float* scores) {
  return LossOfBlock(h, norms, biases, terms, n, scores);
}

}  // namespace thermocline::avx2

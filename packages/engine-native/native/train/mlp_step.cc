#include "train/mlp_step.h"

#include <algorithm>

#include "train/gemm.h"

namespace thermocline {
namespace {

size_t Size(int64_t rows, int64_t cols) { return static_cast<size_t>(rows * cols); }

}  // namespace

MlpStep::MlpStep(const MlpShape& shape, const LossShape& loss, std::span<const float> norms,
                 int64_t max_tokens, const Kernels& kernels, ThreadPool& pool)
    : shape_(shape),
      loss_(loss),
      norms_(norms.begin(), norms.end()),
      kernels_(kernels),
      pool_(pool),
      ones_(Size(max_tokens, 1), 1.0F),
      hidden_(Size(max_tokens, shape.rank)),
      hidden_slopes_(hidden_.size()),
      scores_(Size(max_tokens, shape.n_ff)),
      transposed_(Size(max_tokens, std::max(shape.n_ff, shape.rank))),
      down_slopes_(Size(shape.rank, shape.d_model)),
      up_slopes_(Size(shape.n_ff, shape.rank)),
      bias_slopes_(Size(shape.n_ff, 1)) {}

uint64_t MlpStep::Bytes(const MlpShape& shape, int64_t max_tokens) {
  const int64_t per_token = 2 * shape.rank + shape.n_ff + std::max(shape.n_ff, shape.rank) + 1;
  const int64_t slopes = shape.rank * (shape.d_model + shape.n_ff) + 2 * shape.n_ff;
  return static_cast<uint64_t>(max_tokens * per_token + slopes) * sizeof(float);
}

double MlpStep::Loss(const MlpView& weights, const float* x, const float* h, int64_t n) {
  return Forward(weights, x, h, n, 1.0F);
}

double MlpStep::LossAndSlopes(const MlpView& weights, const float* x, const float* h, int64_t n) {
  const double loss = Forward(weights, x, h, n, 1.0F / static_cast<float>(n));
  Backward(weights, x, n);
  return loss;
}

double MlpStep::Forward(const MlpView& weights, const float* x, const float* h, int64_t n,
                        float factor) {
  const auto [d_model, rank, n_ff, relu] = shape_;
  Multiply({x, n, d_model}, {weights.down, rank, d_model}, hidden_.data(), kernels_, pool_);
  if (relu) {
    kernels_.activate(ActivationFunction::kRelu, hidden_.data(), nullptr, n * rank,
                      hidden_.data());
  }
  Multiply({hidden_.data(), n, rank}, {weights.up, n_ff, rank}, scores_.data(), kernels_, pool_);
  return LogisticLoss(h, norms_.data(), weights.bias, loss_, factor, n, n_ff, scores_.data(),
                      pool_);
}

// scores_ holds the slopes of the scores here.
void MlpStep::Backward(const MlpView& weights, const float* x, int64_t n) {
  const auto [d_model, rank, n_ff, relu] = shape_;
  const MatrixView slopes{scores_.data(), n, n_ff};
  MultiplyUntransposed({ones_.data(), 1, n}, slopes, bias_slopes_.data(), kernels_, pool_);
  MultiplyUntransposed(slopes, {weights.up, n_ff, rank}, hidden_slopes_.data(), kernels_, pool_);
  Transpose(slopes, transposed_.data(), pool_);
  MultiplyUntransposed({transposed_.data(), n_ff, n}, {hidden_.data(), n, rank},
                       up_slopes_.data(), kernels_, pool_);
  if (relu) {
    for (size_t i = 0; i < Size(n, rank); ++i) {
      hidden_slopes_[i] = hidden_[i] > 0 ? hidden_slopes_[i] : 0.0F;
    }
  }
  Transpose({hidden_slopes_.data(), n, rank}, transposed_.data(), pool_);
  MultiplyUntransposed({transposed_.data(), rank, n}, {x, n, d_model}, down_slopes_.data(),
                       kernels_, pool_);
}

}  // namespace thermocline

// One step of learning for the predictor score = up · relu(down · x) + bias: its loss on a batch,
// and the slope of that loss in every weight.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "train/logistic_loss.h"
#include "util/thread_pool.h"

namespace thermocline {

struct MlpShape {
  int64_t d_model = 0;
  int64_t rank = 0;
  int64_t n_ff = 0;
  bool relu = true;  // false: score = up · down · x + bias
};

// Weights of a predictor, or as many slopes.
struct MlpView {
  const float* down = nullptr;  // [rank][d_model]
  const float* up = nullptr;    // [n_ff][rank]
  const float* bias = nullptr;  // [n_ff]
};

class MlpStep {
 public:
  // The pool and the kernels must outlive it.
  MlpStep(const MlpShape& shape, const LossShape& loss, std::span<const float> norms,
          int64_t max_tokens, const Kernels& kernels, ThreadPool& pool);

  // Bytes of an object for such batches.
  static uint64_t Bytes(const MlpShape& shape, int64_t max_tokens);

  // The loss of n tokens, summed over tokens and neurons: x [n][d_model], h [n][n_ff] as in
  // LogisticLoss. The same bits for any thread count. REQUIRES: 0 < n <= max_tokens.
  double Loss(const MlpView& weights, const float* x, const float* h, int64_t n);

  // The same, and the slopes of its mean over the tokens, valid until the next call.
  double LossAndSlopes(const MlpView& weights, const float* x, const float* h, int64_t n);
  const std::vector<float>& down_slopes() const { return down_slopes_; }
  const std::vector<float>& up_slopes() const { return up_slopes_; }
  const std::vector<float>& bias_slopes() const { return bias_slopes_; }

 private:
  double Forward(const MlpView& weights, const float* x, const float* h, int64_t n, float factor);
  void Backward(const MlpView& weights, const float* x, int64_t n);

  const MlpShape shape_;
  const LossShape loss_;
  const std::vector<float> norms_;  // [n_ff]
  const Kernels& kernels_;
  ThreadPool& pool_;
  std::vector<float> ones_;           // [max_tokens]
  std::vector<float> hidden_;         // [n][rank] after the ReLU
  std::vector<float> hidden_slopes_;  // [n][rank]
  std::vector<float> scores_;         // [n][n_ff], then their slopes
  std::vector<float> transposed_;     // [n_ff or rank][n]
  std::vector<float> down_slopes_, up_slopes_, bias_slopes_;
};

}  // namespace thermocline

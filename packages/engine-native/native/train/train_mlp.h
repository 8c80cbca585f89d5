// The trained predictor: score = up · relu(down · x), a neuron's threshold its bias. Minibatches
// in an order drawn by the seed, Adam, and the weights of the pass that does best on held-out
// samples (PowerInfer §5.1).
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "train/logistic_loss.h"
#include "train/mlp_step.h"
#include "train/samples.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

struct MlpWeights {
  int64_t d_model = 0, rank = 0, n_ff = 0;
  std::vector<float> down;  // [rank][d_model]
  std::vector<float> up;    // [n_ff][rank]
  std::vector<float> bias;  // [n_ff]; the threshold is what is below 0 of it: -bias
};

struct MlpOptions {
  int epochs = 4;        // passes over the samples, at most
  int patience = 2;      // stops after so many passes without a lower held-out loss
  int64_t batch = 256;   // tokens
  // What a weight moves in a step at full speed, in root mean squares of the matrix it started in.
  // 0: 2e-3, and 3e-3 where there are fewer than 1,024 steps. Measured on the demo model.
  double learning_rate = 0;
  double bias_rate = 1e-2;    // the same of a bias, as it stands
  int64_t warm_up_steps = 50; // from 0 to full speed; from there it falls linearly to 0
  LossShape loss;
  uint64_t seed = 0;
  bool relu = true;  // false trains the linear kind: score = up · down · x
  const std::atomic<bool>* cancel = nullptr;  // asked before every batch
  // The share done, and the held-out loss of the last pass, NaN during the first. Called from the
  // caller's thread, after every batch.
  std::function<void(double fraction, double loss)> progress;
};

// Losses per token, summed over neurons.
struct MlpPass {
  double train_loss = 0;  // while it went on
  double held_out_loss = 0;
};

struct MlpFit {
  MlpWeights weights;           // of the best pass
  double start_loss = 0;        // held-out loss of the weights that training started from
  std::vector<MlpPass> passes;
  int best = -1;                // which pass was kept; -1: none was better than the start
  int64_t steps = 0;
};

// value_norm [n_ff]: ‖down column‖. The same bits for any thread count; the same again for the
// same seed. Memory: a batch, and six times the weights.
// kInvalidArgument for options out of range, shapes that disagree, numbers that are not finite, or
// a loss that is no longer; kOutOfMemory before anything is allocated; kAborted.
Result<MlpFit> TrainMlp(const SampleReader& train, const SampleReader& held_out,
                        std::span<const float> value_norm, MlpWeights start,
                        const MlpOptions& options, const Kernels& kernels, ThreadPool& pool);

// Scales hidden units so that every column of `up` has length 1; the scores stay. For weights that
// are to be rounded: columns of very different lengths share the scales of their blocks.
void BalanceUnits(MlpWeights* weights);

}  // namespace thermocline

// Scores of the kind `gate`: the first matrix in full, |act(W x + b)|. What threshold mode runs
// (CATS), and with ReLU what exact mode does.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "train/running.h"
#include "train/samples.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

struct Gate {
  std::span<const float> weights;  // [n_ff][d_model]
  std::span<const float> bias;     // [n_ff]; empty: none
  ActivationFunction activation = ActivationFunction::kRelu;
};

// kInvalidArgument when the arrays do not have the shapes or a number is not finite.
Status CheckGate(const Gate& gate, int64_t n_ff, int64_t d_model);

// x [n_tokens][d_model] -> scores [n_tokens][n_ff]. REQUIRES: a gate that was checked.
void ScoreGate(const Gate& gate, const float* x, int64_t n_tokens, int64_t n_ff, int64_t d_model,
               const Kernels& kernels, ThreadPool& pool, float* scores);

// Per neuron, over some samples: what its activations and its scores add up to.
struct GateSums {
  int64_t tokens = 0;
  std::vector<double> value;  // [n_ff] Σ |h| · norm
  std::vector<double> score;  // [n_ff] Σ |act(W x + b)|
};

// From at most `max_rows` samples, spread evenly. The same bits for any number of threads. kAborted.
Result<GateSums> MeasureGateSums(const Gate& gate, const SampleReader& samples,
                                 std::span<const float> norms, int64_t max_rows,
                                 const Kernels& kernels, const Running& running,
                                 ThreadPool& pool);

// What a unit of score is worth on average, per neuron. With thresholds t / scale, neurons of equal
// expected value are treated alike. One that seldom scored is drawn towards what all have together,
// so that no scale is 0 unless all are.
std::vector<float> GateScales(const GateSums& sums);

}  // namespace thermocline

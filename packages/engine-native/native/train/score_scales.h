// The slope and the offset of every neuron's score that cost least: what can be learnt without
// touching a matrix, in seconds.
#pragma once

#include <cstdint>
#include <span>

#include "train/running.h"
#include "train/train_mlp.h"

namespace thermocline {

// Replaces every score by a · score + b, a > 0, with the a and b of least loss on at most `max_rows`
// samples, spread evenly: the rows of `up` and the biases change. No neuron's loss there rises, and
// scores come close to log(E[value] / price). Two numbers per neuron, and a convex loss: Newton's
// steps. The same bits for any thread count. Memory: 8 bytes · rows · n_ff.
// REQUIRES: weights and norms as TrainMlp takes them. kOutOfMemory, kAborted.
Status FitScoreScales(const SampleReader& samples, std::span<const float> value_norm,
                      const LossShape& loss, bool relu, int64_t max_rows, const Kernels& kernels,
                      const Running& running, ThreadPool& pool, MlpWeights* weights);

}  // namespace thermocline

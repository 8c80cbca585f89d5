// How much of what fires a predictor finds, and how much it predicts in vain, for every common
// threshold at once: with such a curve of every layer, thresholds can be chosen for any recall
// of the whole model.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "train/running.h"
#include "train/samples.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

struct ScoreCurve {
  int64_t tokens = 0;
  uint64_t firing = 0;        // neurons that fired, over all tokens
  double firing_value = 0;    // Σ |h| · norm of them
  // What is added to the predictor's own thresholds, ascending; at the first everything is
  // predicted. Of the others: what lies above them. [points] each
  std::vector<float> shifts;
  std::vector<uint64_t> predicted;
  std::vector<uint64_t> hits;       // predicted and fired
  std::vector<double> hit_value;
};

// Scores a batch: x [n_tokens][d_model] -> scores [n_tokens][n_ff].
using Scorer = std::function<void(const float* x, int64_t n_tokens, float* scores)>;

// The curve at `points` (3 to 1,024) or, where scores repeat, fewer shifts. Half of them are
// quantiles of what fires and half of all scores, in both closer together towards the ends that
// matter: little missed, few predicted.
// A neuron's score is what `scorer` says less its threshold. Results are the same bits for any
// number of threads. Memory: a batch of scores, and those of 512 rows.
// REQUIRES: norms [n_ff], thresholds [1] or [n_ff]. kInvalidArgument, kAborted.
Result<ScoreCurve> MeasureScoreCurve(const SampleReader& samples, std::span<const float> norms,
                                     std::span<const float> thresholds, const Scorer& scorer,
                                     int64_t points, const Running& running, ThreadPool& pool);

}  // namespace thermocline

// A threshold for every neuron where predicting it begins to pay, read off samples: for scores
// whose scale differs from neuron to neuron and says nothing of value.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "train/running.h"
#include "train/samples.h"
#include "train/score_curve.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

// For neuron n the t with the largest Σ over samples with score > t of (value - price), as far as
// a histogram of its scores tells; one that seldom fires is drawn towards what holds for all of
// them. From at most `max_rows` samples, spread evenly. The same bits for any number of threads.
// Memory: 1.5 KiB per neuron, and a batch. REQUIRES: norms [n_ff]. kAborted, kOutOfMemory.
Result<std::vector<float>> BestThresholds(const SampleReader& samples,
                                          std::span<const float> norms, const Scorer& scorer,
                                          double price, int64_t max_rows, const Running& running,
                                          ThreadPool& pool);

}  // namespace thermocline

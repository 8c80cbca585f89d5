// Mean and second moments of the hidden states of a layer: which directions its inputs take.
#pragma once

#include <cstdint>
#include <vector>

#include "backends/kernels.h"
#include "train/running.h"
#include "train/samples.h"
#include "util/status.h"
#include "util/thread_pool.h"

namespace thermocline {

struct InputMoments {
  std::vector<float> mean;        // [d_model]
  std::vector<float> covariance;  // [d_model][d_model], about the mean
};

// From at most `max_rows` samples, spread evenly. The same bits for any number of threads.
// kInvalidArgument without samples, kOutOfMemory, kAborted.
Result<InputMoments> MeasureInputs(const SampleReader& samples, int64_t max_rows,
                                   const Kernels& kernels, const Running& running,
                                   ThreadPool& pool);

}  // namespace thermocline

// The signs of a layer's first matrix, one bit per weight: a predictor that needs no training
// and a sixteenth of the F16 matrix's bytes.
#pragma once

#include <cstdint>
#include <vector>

#include "util/thread_pool.h"

namespace thermocline {

// weights [n_ff][d_model] -> [n_ff][ceil(d_model / 8)]: bit i of byte b is set where the weight in
// column 8b + i is below 0; bits beyond d_model are zero.
std::vector<uint8_t> PackSigns(const float* weights, int64_t n_ff, int64_t d_model,
                               ThreadPool& pool);

}  // namespace thermocline

// The matrix that decides what fires in a layer, the gate, or up where there is none, as numbers:
// what the training-free predictors are made from.
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "backends/kernels.h"
#include "tiers/ffn_tier.h"
#include "util/status.h"

namespace thermocline {

struct FirstMatrix {
  std::vector<float> weights;  // [n_ff][d_model], by neuron id
  std::vector<float> bias;     // [n_ff]; empty: none
};

// Reads the matrix of one layer from the model file, a few MB at a time. `cancel` may be null; it
// is asked between pieces. Errors: those of reading, kModelCorrupt for weights that are not finite,
// kOutOfMemory with the numbers before anything is allocated, kAborted.
Result<FirstMatrix> LoadFirstMatrix(const std::vector<FfnBlockSource>& layer,
                                    const Kernels& kernels, const std::atomic<bool>* cancel);

}  // namespace thermocline

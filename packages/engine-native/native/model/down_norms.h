// How much a neuron's activation moves the residual: the length of its down column.
// With it Σ|h| becomes a contribution, |h|·‖down column‖.
#pragma once

#include <functional>
#include <vector>

#include "backends/kernels.h"
#include "tiers/ffn_tier.h"
#include "util/status.h"

namespace thermocline {

using DownNorms = std::vector<std::vector<double>>;  // [layers][n_ff], by neuron id

// Reads every down matrix once, a few MB at a time. Biases do not count: they are added whatever
// fires. `stop` is asked between layers and may be empty. Errors: those of reading,
// kModelCorrupt for weights that are not finite, kAborted.
Result<DownNorms> LoadDownNorms(const std::vector<std::vector<FfnBlockSource>>& blocks,
                                const Kernels& kernels, const std::function<bool()>& stop);

}  // namespace thermocline

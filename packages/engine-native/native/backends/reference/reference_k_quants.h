// The scalar definition of what kernels do with K-quants.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/kernels.h"

namespace thermocline {

// One row times the quantised inputs of token t.
float KQuantDot(const RowMatrix& w, const std::byte* row, const Activations& x, int64_t t);
// One row as numbers.
void WidenKQuantRow(const RowMatrix& w, const std::byte* row, float* out);
// Column c of accumulate_neurons, begun with y.
float AddedKQuantNeurons(const NeuronMatrix& w, NeuronList list, const float* h, int64_t c,
                         float y);

}  // namespace thermocline

// The down matrix of K-quants: a superblock of a file lies across 256 neurons of one output, so
// 256 neurons are stored together, and 32 of them are a group, as in Q8_0 and Q4_0. kernels.h has
// the layout.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/kernels.h"

namespace thermocline {

// REQUIRES: neurons % 256 == 0, d_model % 32 == 0.
NeuronMatrix MakeKNeuronMatrix(DType type, int64_t neurons, int64_t d_model, const std::byte* data);

// As PackNeurons in neuron_layout.h.
void PackKNeurons(DType type, const std::byte* file_rows, int64_t row_begin, int64_t n,
                  int64_t n_ff, const NeuronMatrix& shape, std::byte* out);

}  // namespace thermocline

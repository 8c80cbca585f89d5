// From the layouts of model files to the layouts that kernels read. Lossless: every
// quant and scale is kept, only their places change.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/kernels.h"
#include "util/dtype.h"

namespace thermocline {

// Bytes of one row of `cols` elements in the file. REQUIRES: cols % BlockElements(type) == 0.
int64_t FileRowBytes(DType type, int64_t cols);
// The same in a RowMatrix: as many, except that the 6-bit scales of Q4_K and Q5_K take a byte each.
int64_t RowBytes(DType type, int64_t cols);

// Copies n rows from file layout to RowMatrix layout. `out` holds n * RowBytes; it may be
// file_rows, and otherwise does not overlap them.
void PackRows(DType type, const std::byte* file_rows, int64_t n, int64_t cols, std::byte* out);

// Bytes of a NeuronMatrix, with its row_bytes and group_bytes filled in by MakeNeuronMatrix.
int64_t NeuronMatrixBytes(DType type, int64_t neurons, int64_t d_model);
NeuronMatrix MakeNeuronMatrix(DType type, int64_t neurons, int64_t d_model, const std::byte* data);

// Transposes rows [row_begin, row_begin + n) of the down matrix as files hold it, [d_model][n_ff],
// into `out`, the data of a NeuronMatrix. Neuron j goes to row row_of_neuron[j]
// (null: row j; must be null for quantised types, whose scales bind 32 neighbours, or 256).
// Neurons whose row is 0xFFFFFFFF are left out. Calls for different rows may run at the same time,
// for types of less than 8 bits when they are split at multiples of 32 (columns c and c + 16 share
// a byte).
void PackNeurons(DType type, const std::byte* file_rows, int64_t row_begin, int64_t n,
                 int64_t n_ff, const uint32_t* row_of_neuron, const NeuronMatrix& shape,
                 std::byte* out);

}  // namespace thermocline

// The down matrix: from the layouts of model files to those that kernels read. Lossless: every
// quant and scale is kept, only their places change. kernels.h says where they go.
#pragma once

#include <cstddef>
#include <cstdint>

#include "backends/kernels.h"
#include "util/dtype.h"

namespace thermocline {

// Whom a quantised weight shares its scale with: 32 neighbouring neurons, as where a file holds
// [d_model][n_ff], or 32 columns of its own neuron, as where it holds [n_ff][d_model].
enum class NeuronScales : uint8_t { kShared, kOwn };

// Bytes of a NeuronMatrix, and the matrix itself over `data`. Plain types are the same in both, and K-quants are shared.
int64_t NeuronMatrixBytes(DType type, NeuronScales scales, int64_t neurons, int64_t d_model);
NeuronMatrix MakeNeuronMatrix(DType type, NeuronScales scales, int64_t neurons, int64_t d_model,
                              const std::byte* data);

// Transposes rows [row_begin, row_begin + n) of the down matrix as usual files hold it,
// [d_model][n_ff], into `out`, the data of a NeuronMatrix with shared scales. Neuron j goes to row
// row_of_neuron[j] (null: row j; must be null for quantised types, whose scales bind 32
// neighbours, or 256). Neurons whose row is 0xFFFFFFFF are left out. Calls for different rows may run at
// the same time. REQUIRES, for quantised types: row_begin % kNeuronColumns == 0, and n too unless
// the matrix ends there.
void PackNeurons(DType type, const std::byte* file_rows, int64_t row_begin, int64_t n,
                 int64_t n_ff, const uint32_t* row_of_neuron, const NeuronMatrix& shape,
                 std::byte* out);

// Copies n rows of a down matrix [n_ff][d_model] to rows of a NeuronMatrix with own scales.
// REQUIRES: no K-quant, whose blocks kernels take to lie across neurons. `out` holds n * row_bytes and is not `file_rows`.
void PackNeuronRows(DType type, const std::byte* file_rows, int64_t n, int64_t d_model,
                    std::byte* out);

}  // namespace thermocline

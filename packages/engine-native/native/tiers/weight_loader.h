// From tensors in a model file to matrices in memory, read in bounded pieces.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "util/status.h"

namespace thermocline {

// A position that is not held.
constexpr uint32_t kNoRow = 0xFFFFFFFF;

// Reads rows [first, first + n) of a matrix into RowMatrix layout at `out`; row r goes to
// row_of[r - first] (empty: r - first), or nowhere if that is kNoRow.
Status LoadRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                std::span<const uint32_t> row_of, std::byte* out);

// Reads columns [first, first + n) of a down matrix [d_model][...] into the NeuronMatrix `shape`
// at `out`; empty row_of: column first + j is row j.
Status LoadNeurons(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   std::span<const uint32_t> row_of, const NeuronMatrix& shape, std::byte* out);

// Lengths of columns [first, first + n) of a down matrix [d_model][...], of the weights as they
// are computed with: √Σ w² over the d_model rows, in double. `kernels` widens them.
Result<std::vector<double>> LoadColumnNorms(const ModelFile& file, const TensorInfo& tensor,
                                            int64_t first, int64_t n, const Kernels& kernels);

// Reads a vector of a plain type as F32.
Result<std::vector<float>> LoadVector(const ModelFile& file, const TensorInfo& tensor);

}  // namespace thermocline

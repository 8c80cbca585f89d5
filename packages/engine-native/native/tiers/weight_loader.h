// From tensors in a model file to matrices in memory, read in bounded pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/kernels.h"
#include "io/model_file.h"
#include "tiers/load_list.h"
#include "util/status.h"

namespace thermocline {

// A position that is not held.
constexpr uint32_t kNoRow = 0xFFFFFFFF;

// To which row, or place of a vector, each of a block's neurons goes; null: to that of its number.
// A list keeps it until it has run.
using RowOf = std::shared_ptr<const std::vector<uint32_t>>;

// Puts on a list: rows [first, first + n) of a matrix, into RowMatrix layout at `out`, `stride` bytes
// from row to row; row r goes to row_of[r - first].
void AddRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
             const RowOf& row_of, std::byte* out, int64_t stride, LoadList& list);

// Columns [first, first + n) of a down matrix [d_model][...], into the NeuronMatrix `shape` at
// `out`; column first + j goes to row_of[j].
void AddNeurons(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                const RowOf& row_of, const NeuronMatrix& shape, std::byte* out, LoadList& list);

// Rows [first, first + n) of a down matrix [...][d_model], into rows with scales of their own.
void AddNeuronRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   const RowOf& row_of, std::byte* out, int64_t stride, LoadList& list);

// Values [first, first + n) of a vector, as F32 at `out`; value first + j goes to row_of[j].
// kWeightTypeUnsupported for quantised types.
Status AddVector(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                 const RowOf& row_of, float* out, LoadList& list);

// The same at once, on the calling thread.
Status LoadRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                const RowOf& row_of, std::byte* out);
Status LoadNeurons(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   const RowOf& row_of, const NeuronMatrix& shape, std::byte* out);
Status LoadNeuronRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                      const RowOf& row_of, std::byte* out);
// All values of a vector.
Result<std::vector<float>> LoadVector(const ModelFile& file, const TensorInfo& tensor);

// Lengths of columns [first, first + n) of a down matrix [d_model][...], of the weights as they
// are computed with: √Σ w² over the d_model rows, in double. `kernels` widens them.
Result<std::vector<double>> LoadColumnNorms(const ModelFile& file, const TensorInfo& tensor,
                                            int64_t first, int64_t n, const Kernels& kernels);
// Lengths of rows [first, first + n) of a down matrix [...][d_model], likewise.
Result<std::vector<double>> LoadRowNorms(const ModelFile& file, const TensorInfo& tensor,
                                         int64_t first, int64_t n, const Kernels& kernels);

}  // namespace thermocline

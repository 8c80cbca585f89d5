#include "model/first_matrix.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "backends/layout.h"
#include "tiers/weight_loader.h"
#include "util/system_memory.h"

namespace thermocline {
namespace {

constexpr int64_t kRowsPerPiece = 256;

Status NotFinite(const FfnBlockSource& block, const TensorInfo& tensor) {
  return Status(StatusCode::kModelCorrupt,
                "tensor '" + tensor.name + "' holds weights that are not finite numbers",
                block.file->path());
}

// Appends the block's rows.
Status AppendRows(const FfnBlockSource& block, const TensorInfo& tensor, const Kernels& kernels,
                  const std::atomic<bool>* cancel, std::vector<float>* weights) {
  const int64_t cols = block.d_model;
  const int64_t row_bytes = RowBytes(tensor.type, cols);
  std::vector<std::byte> piece(static_cast<size_t>(kRowsPerPiece * row_bytes));
  for (int64_t row = 0; row < block.n_neurons; row += kRowsPerPiece) {
    if (cancel != nullptr && *cancel) {
      return Status(StatusCode::kAborted, "reading a layer's weights was aborted");
    }
    const int64_t n = std::min(kRowsPerPiece, block.n_neurons - row);
    RETURN_IF_ERROR(LoadRows(*block.file, tensor, block.first_neuron + row, n, {}, piece.data()));
    const size_t before = weights->size();
    weights->resize(before + static_cast<size_t>(n * cols));
    const RowMatrix packed = MakeRowMatrix(tensor.type, n, cols, piece.data());
    for (int64_t i = 0; i < n; ++i) {
      kernels.widen_row(packed, i, weights->data() + before + static_cast<size_t>(i * cols));
    }
    if (!std::all_of(weights->begin() + static_cast<std::ptrdiff_t>(before), weights->end(),
                     [](float weight) { return std::isfinite(weight); })) {
      return NotFinite(block, tensor);
    }
  }
  return Status::Ok();
}

}  // namespace

Result<FirstMatrix> LoadFirstMatrix(const std::vector<FfnBlockSource>& layer,
                                    const Kernels& kernels, const std::atomic<bool>* cancel) {
  uint64_t elements = 0;
  bool has_bias = false;
  for (const FfnBlockSource& block : layer) {
    elements += static_cast<uint64_t>(block.n_neurons) * static_cast<uint64_t>(block.d_model);
    has_bias = has_bias || (block.gate != nullptr ? block.gate_bias : block.up_bias) != nullptr;
  }
  RETURN_IF_ERROR(RequireMemory(elements * sizeof(float), "A layer's first matrix as F32"));
  FirstMatrix matrix;
  matrix.weights.reserve(static_cast<size_t>(elements));
  for (const FfnBlockSource& block : layer) {
    const TensorInfo& tensor = block.gate != nullptr ? *block.gate : *block.up;
    RETURN_IF_ERROR(AppendRows(block, tensor, kernels, cancel, &matrix.weights));
    if (!has_bias) continue;
    const TensorInfo* const bias = block.gate != nullptr ? block.gate_bias : block.up_bias;
    const size_t before = matrix.bias.size();
    matrix.bias.resize(before + static_cast<size_t>(block.n_neurons));
    if (bias == nullptr) continue;
    ASSIGN_OR_RETURN(const std::vector<float> all, LoadVector(*block.file, *bias));
    const auto first = all.begin() + static_cast<std::ptrdiff_t>(block.first_neuron);
    std::copy_n(first, block.n_neurons, matrix.bias.begin() + static_cast<std::ptrdiff_t>(before));
    if (!std::all_of(first, first + static_cast<std::ptrdiff_t>(block.n_neurons),
                     [](float value) { return std::isfinite(value); })) {
      return NotFinite(block, *bias);
    }
  }
  return matrix;
}

}  // namespace thermocline

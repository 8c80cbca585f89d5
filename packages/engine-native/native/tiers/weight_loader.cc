#include "tiers/weight_loader.h"

#include <algorithm>
#include <cmath>

#include "backends/layout.h"

namespace thermocline {
namespace {

// Row after row, in their order.
const LoadOptions kHere = {.readers = 1};

// A cache line of each neuron's row at a time, so that threads seldom write to the same one.
constexpr int64_t kLineBytes = 64;
// Columns c and c + 16 of Q4_0 share a byte.
constexpr int64_t kNarrowStep = 32;
// Rows of a down matrix are long; a step of more than this is not worth its room.
constexpr int64_t kMaxStepBytes = int64_t{4} << 20;

// Rows of a down matrix [d_model][...] to take together, of which each neuron has one value.
int64_t NeuronStep(const TensorInfo& tensor) {
  const int64_t wide = kLineBytes * BlockElements(tensor.type) / BlockBytes(tensor.type);
  const int64_t step = std::max(kNarrowStep, (wide + kNarrowStep - 1) / kNarrowStep * kNarrowStep);
  const int64_t row_bytes = static_cast<int64_t>(tensor.bytes) / tensor.shape.front();
  return step * row_bytes <= kMaxStepBytes ? step : kNarrowStep;
}

// A block's own columns [first, first + n) of `count` rows that others share, cut out so that they
// look like a matrix of n columns.
const std::byte* CutColumns(const TensorInfo& tensor, int64_t first, int64_t n, int64_t count,
                            const std::byte* rows, std::vector<std::byte>* cut) {
  if (n == tensor.shape.back()) return rows;
  const int64_t row_bytes = FileRowBytes(tensor.type, tensor.shape.back());
  const int64_t part_bytes = FileRowBytes(tensor.type, n);
  const int64_t skip = first / BlockElements(tensor.type) * BlockBytes(tensor.type);
  cut->resize(static_cast<size_t>(count * part_bytes));
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(rows + i * row_bytes + skip, part_bytes, cut->data() + i * part_bytes);
  }
  return cut->data();
}

}  // namespace

void AddRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
             const RowOf& row_of, std::byte* out, LoadList& list) {
  const DType type = tensor.type;
  const int64_t cols = tensor.shape.back();
  const int64_t row_bytes = RowBytes(type, cols);
  const int64_t file_row_bytes = FileRowBytes(type, cols);
  list.Add(file, tensor, first, n, 1, [=](int64_t row, int64_t count, const std::byte* bytes) {
    if (row_of == nullptr) {
      PackRows(type, bytes, count, cols, out + (row - first) * row_bytes);
      return;
    }
    for (int64_t i = 0; i < count; ++i) {
      const uint32_t to = (*row_of)[static_cast<size_t>(row - first + i)];
      if (to == kNoRow) continue;
      PackRows(type, bytes + i * file_row_bytes, 1, cols, out + int64_t{to} * row_bytes);
    }
  });
}

void AddNeurons(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                const RowOf& row_of, const NeuronMatrix& shape, std::byte* out, LoadList& list) {
  list.Add(file, tensor, 0, tensor.shape.front(), NeuronStep(tensor),
           [=, &tensor](int64_t row, int64_t count, const std::byte* bytes) {
             std::vector<std::byte> cut;
             PackNeurons(tensor.type, CutColumns(tensor, first, n, count, bytes, &cut), row, count,
                         n, row_of == nullptr ? nullptr : row_of->data(), shape, out);
           });
}

Status AddVector(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                 const RowOf& row_of, float* out, LoadList& list) {
  if (BlockElements(tensor.type) != 1) {
    return Status(StatusCode::kWeightTypeUnsupported,
                  "tensor " + tensor.name + " is a vector of type " + DTypeName(tensor.type) +
                      "; vectors may be F32, F16 or BF16",
                  file.path());
  }
  list.Add(file, tensor, 0, 1, 1, [=, &tensor](int64_t, int64_t, const std::byte* bytes) {
    RowMatrix row;
    row.data = bytes;
    row.type = tensor.type;
    row.rows = 1;
    row.cols = tensor.elements();
    row.row_bytes = static_cast<int64_t>(tensor.bytes);
    std::vector<float> values(static_cast<size_t>(row.cols));
    ReferenceKernels().widen_row(row, 0, values.data());
    for (int64_t j = 0; j < n; ++j) {
      const auto to = row_of == nullptr ? static_cast<uint32_t>(j) : (*row_of)[static_cast<size_t>(j)];
      if (to != kNoRow) out[to] = values[static_cast<size_t>(first + j)];
    }
  });
  return Status::Ok();
}

Status LoadRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                const RowOf& row_of, std::byte* out) {
  LoadList list;
  AddRows(file, tensor, first, n, row_of, out, list);
  return list.Run(kHere).status();
}

Status LoadNeurons(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   const RowOf& row_of, const NeuronMatrix& shape, std::byte* out) {
  LoadList list;
  AddNeurons(file, tensor, first, n, row_of, shape, out, list);
  return list.Run(kHere).status();
}

Result<std::vector<float>> LoadVector(const ModelFile& file, const TensorInfo& tensor) {
  std::vector<float> values(static_cast<size_t>(tensor.elements()));
  LoadList list;
  RETURN_IF_ERROR(AddVector(file, tensor, 0, tensor.elements(), nullptr, values.data(), list));
  RETURN_IF_ERROR(list.Run(kHere).status());
  return values;
}

Result<std::vector<double>> LoadColumnNorms(const ModelFile& file, const TensorInfo& tensor,
                                            int64_t first, int64_t n, const Kernels& kernels) {
  RowMatrix packed;
  packed.type = tensor.type;
  packed.rows = 1;
  packed.cols = n;
  packed.row_bytes = RowBytes(tensor.type, n);
  const int64_t file_row_bytes = FileRowBytes(tensor.type, n);
  std::vector<std::byte> cut, row(static_cast<size_t>(packed.row_bytes));
  packed.data = row.data();
  std::vector<float> weights(static_cast<size_t>(n));
  std::vector<double> norms(static_cast<size_t>(n), 0.0);
  LoadList list;
  list.Add(file, tensor, 0, tensor.shape.front(), 1,
           [&](int64_t, int64_t count, const std::byte* bytes) {
             const std::byte* const rows = CutColumns(tensor, first, n, count, bytes, &cut);
             for (int64_t i = 0; i < count; ++i) {
               PackRows(tensor.type, rows + i * file_row_bytes, 1, n, row.data());
               kernels.widen_row(packed, 0, weights.data());
               for (size_t j = 0; j < weights.size(); ++j) {
                 const auto weight = static_cast<double>(weights[j]);
                 norms[j] += weight * weight;
               }
             }
           });
  RETURN_IF_ERROR(list.Run(kHere).status());
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

}  // namespace thermocline

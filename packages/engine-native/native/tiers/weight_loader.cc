#include "tiers/weight_loader.h"

#include <algorithm>
#include <cmath>

#include "backends/layout.h"
#include "backends/neuron_layout.h"

namespace thermocline {
namespace {

// Row after row, in their order.
const LoadOptions kHere = {.readers = 1};

// A cache line of each neuron's row at a time, so that threads seldom write to the same one.
constexpr int64_t kLineBytes = 64;
constexpr int64_t kNarrowStep = 32;
// Rows of a down matrix are long; a step of more than this is not worth its room.
constexpr int64_t kMaxStepBytes = int64_t{4} << 20;

// Rows of a down matrix [d_model][...] to take together, of which each neuron has one value.
int64_t NeuronStep(const TensorInfo& tensor) {
  if (BlockElements(tensor.type) > 1) return kNeuronColumns;  // as PackNeurons asks for
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

// Puts rows [first, first + n) on a list, one by one to where row_of says; pack(bytes, n, to) takes
// several.
template <typename Pack>
void AddPackedRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   const RowOf& row_of, std::byte* out, int64_t stride, LoadList& list, Pack pack) {
  const bool one_stretch = row_of == nullptr && stride == RowBytes(tensor.type, tensor.shape.back());
  const int64_t file_row_bytes = FileRowBytes(tensor.type, tensor.shape.back());
  list.Add(file, tensor, first, n, 1, [=](int64_t row, int64_t count, const std::byte* bytes) {
    if (one_stretch) return pack(bytes, count, out + (row - first) * stride);
    for (int64_t i = 0; i < count; ++i) {
      const int64_t place = row - first + i;
      const int64_t to = row_of == nullptr ? place : (*row_of)[static_cast<size_t>(place)];
      if (to != kNoRow) pack(bytes + i * file_row_bytes, 1, out + to * stride);
    }
  });
}

// Rows of a file as numbers, one at a time.
class RowWidener {
 public:
  RowWidener(DType type, int64_t cols, const Kernels& kernels)
      : kernels_(kernels),
        bytes_(static_cast<size_t>(RowBytes(type, cols))),
        weights_(static_cast<size_t>(cols)),
        row_(MakeRowMatrix(type, 1, cols, bytes_.data())) {}

  const std::vector<float>& Widen(const std::byte* file_row) {
    PackRows(row_.type, file_row, 1, row_.cols, bytes_.data());
    kernels_.widen_row(row_, 0, weights_.data());
    return weights_;
  }
  int64_t file_row_bytes() const { return FileRowBytes(row_.type, row_.cols); }

 private:
  const Kernels& kernels_;
  std::vector<std::byte> bytes_;
  std::vector<float> weights_;
  RowMatrix row_;
};

}  // namespace

void AddRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
             const RowOf& row_of, std::byte* out, int64_t stride, LoadList& list) {
  const DType type = tensor.type;
  const int64_t cols = tensor.shape.back();
  AddPackedRows(file, tensor, first, n, row_of, out, stride, list,
                [=](const std::byte* bytes, int64_t count, std::byte* to) {
                  PackRows(type, bytes, count, cols, to);
                });
}

void AddNeuronRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   const RowOf& row_of, std::byte* out, int64_t stride, LoadList& list) {
  const DType type = tensor.type;
  const int64_t d_model = tensor.shape.back();
  AddPackedRows(file, tensor, first, n, row_of, out, stride, list,
                [=](const std::byte* bytes, int64_t count, std::byte* to) {
                  PackNeuronRows(type, bytes, count, d_model, to);
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
    const RowMatrix row = MakeRowMatrix(tensor.type, 1, tensor.elements(), bytes);
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
  AddRows(file, tensor, first, n, row_of, out, RowBytes(tensor.type, tensor.shape.back()), list);
  return list.Run(kHere).status();
}

Status LoadNeuronRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                      const RowOf& row_of, std::byte* out) {
  LoadList list;
  AddNeuronRows(file, tensor, first, n, row_of, out, RowBytes(tensor.type, tensor.shape.back()),
                list);
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
  RowWidener widener(tensor.type, n, kernels);
  std::vector<std::byte> cut;
  std::vector<double> norms(static_cast<size_t>(n), 0.0);
  LoadList list;
  list.Add(file, tensor, 0, tensor.shape.front(), 1,
           [&](int64_t, int64_t count, const std::byte* bytes) {
             const std::byte* const rows = CutColumns(tensor, first, n, count, bytes, &cut);
             for (int64_t i = 0; i < count; ++i) {
               const std::vector<float>& weights = widener.Widen(rows + i * widener.file_row_bytes());
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

Result<std::vector<double>> LoadRowNorms(const ModelFile& file, const TensorInfo& tensor,
                                         int64_t first, int64_t n, const Kernels& kernels) {
  RowWidener widener(tensor.type, tensor.shape.back(), kernels);
  std::vector<double> norms;
  norms.reserve(static_cast<size_t>(n));
  LoadList list;
  list.Add(file, tensor, first, n, 1, [&](int64_t, int64_t count, const std::byte* bytes) {
    for (int64_t i = 0; i < count; ++i) {
      double squares = 0;
      for (const float value : widener.Widen(bytes + i * widener.file_row_bytes())) {
        const auto weight = static_cast<double>(value);
        squares += weight * weight;
      }
      norms.push_back(std::sqrt(squares));
    }
  });
  RETURN_IF_ERROR(list.Run(kHere).status());
  return norms;
}

}  // namespace thermocline

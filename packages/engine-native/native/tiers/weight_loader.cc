#include "tiers/weight_loader.h"

#include <algorithm>
#include <cmath>

#include "backends/layout.h"

namespace thermocline {
namespace {

// Large enough for sequential speed, small enough not to show in peak memory.
constexpr int64_t kPieceBytes = int64_t{4} << 20;

int64_t RowsPerPiece(int64_t row_bytes) {
  return std::max<int64_t>(1, kPieceBytes / std::max<int64_t>(1, row_bytes));
}

// Calls visit(first_row, n_rows, bytes) for consecutive pieces of rows [first, first + n).
template <typename Visit>
Status ReadRowsInPieces(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                        Visit visit) {
  const int64_t row_bytes = RowBytes(tensor.type, tensor.shape.back());
  const int64_t step = std::min(n, RowsPerPiece(row_bytes));
  std::vector<std::byte> piece(static_cast<size_t>(step * row_bytes));
  for (int64_t row = first; row < first + n; row += step) {
    const int64_t count = std::min(step, first + n - row);
    const std::span into(piece.data(), static_cast<size_t>(count * row_bytes));
    RETURN_IF_ERROR(file.Read(tensor, static_cast<uint64_t>(row * row_bytes), into));
    visit(row, count, piece.data());
  }
  return Status::Ok();
}

// A block's own columns [first, first + n) of `count` rows that others share, cut out so that they
// look like a matrix of n columns.
const std::byte* CutColumns(const TensorInfo& tensor, int64_t first, int64_t n, int64_t count,
                            const std::byte* rows, std::vector<std::byte>* cut) {
  if (n == tensor.shape.back()) return rows;
  const int64_t row_bytes = RowBytes(tensor.type, tensor.shape.back());
  const int64_t part_bytes = RowBytes(tensor.type, n);
  const int64_t skip = first / BlockElements(tensor.type) * BlockBytes(tensor.type);
  cut->resize(static_cast<size_t>(count * part_bytes));
  for (int64_t i = 0; i < count; ++i) {
    std::copy_n(rows + i * row_bytes + skip, part_bytes, cut->data() + i * part_bytes);
  }
  return cut->data();
}

}  // namespace

Status LoadRows(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                std::span<const uint32_t> row_of, std::byte* out) {
  const int64_t cols = tensor.shape.back();
  const int64_t row_bytes = RowBytes(tensor.type, cols);
  return ReadRowsInPieces(
      file, tensor, first, n, [&](int64_t row, int64_t count, const std::byte* bytes) {
        if (row_of.empty()) {
          PackRows(tensor.type, bytes, count, cols, out + (row - first) * row_bytes);
          return;
        }
        for (int64_t i = 0; i < count; ++i) {
          const uint32_t to = row_of[static_cast<size_t>(row - first + i)];
          if (to == kNoRow) continue;
          PackRows(tensor.type, bytes + i * row_bytes, 1, cols, out + int64_t{to} * row_bytes);
        }
      });
}

Status LoadNeurons(const ModelFile& file, const TensorInfo& tensor, int64_t first, int64_t n,
                   std::span<const uint32_t> row_of, const NeuronMatrix& shape, std::byte* out) {
  const int64_t d_model = tensor.shape.front();
  std::vector<std::byte> cut;
  return ReadRowsInPieces(
      file, tensor, 0, d_model, [&](int64_t row, int64_t count, const std::byte* bytes) {
        PackNeurons(tensor.type, CutColumns(tensor, first, n, count, bytes, &cut), row, count, n,
                    row_of.empty() ? nullptr : row_of.data(), shape, out);
      });
}

Result<std::vector<double>> LoadColumnNorms(const ModelFile& file, const TensorInfo& tensor,
                                            int64_t first, int64_t n, const Kernels& kernels) {
  RowMatrix packed;
  packed.type = tensor.type;
  packed.rows = 1;
  packed.cols = n;
  packed.row_bytes = RowBytes(tensor.type, n);
  std::vector<std::byte> cut, row(static_cast<size_t>(packed.row_bytes));
  packed.data = row.data();
  std::vector<float> weights(static_cast<size_t>(n));
  std::vector<double> norms(static_cast<size_t>(n), 0.0);
  RETURN_IF_ERROR(ReadRowsInPieces(
      file, tensor, 0, tensor.shape.front(),
      [&](int64_t, int64_t count, const std::byte* bytes) {
        const std::byte* const rows = CutColumns(tensor, first, n, count, bytes, &cut);
        for (int64_t i = 0; i < count; ++i) {
          PackRows(tensor.type, rows + i * packed.row_bytes, 1, n, row.data());
          kernels.widen_row(packed, 0, weights.data());
          for (size_t j = 0; j < weights.size(); ++j) {
            const auto weight = static_cast<double>(weights[j]);
            norms[j] += weight * weight;
          }
        }
      }));
  for (double& norm : norms) norm = std::sqrt(norm);
  return norms;
}

Result<std::vector<float>> LoadVector(const ModelFile& file, const TensorInfo& tensor) {
  if (BlockElements(tensor.type) != 1) {
    return Status(StatusCode::kWeightTypeUnsupported,
                  "tensor " + tensor.name + " is a vector of type " + DTypeName(tensor.type) +
                      "; vectors may be F32, F16 or BF16",
                  file.path());
  }
  const auto n = static_cast<size_t>(tensor.elements());
  std::vector<std::byte> bytes(static_cast<size_t>(tensor.bytes));
  RETURN_IF_ERROR(file.Read(tensor, 0, bytes));
  RowMatrix row;
  row.data = bytes.data();
  row.type = tensor.type;
  row.rows = 1;
  row.cols = static_cast<int64_t>(n);
  row.row_bytes = static_cast<int64_t>(bytes.size());
  std::vector<float> values(n);
  ReferenceKernels().widen_row(row, 0, values.data());
  return values;
}

}  // namespace thermocline

#include "tiers/weight_loader.h"

#include <algorithm>

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
  const int64_t file_cols = tensor.shape.back();
  const int64_t block = BlockElements(tensor.type);
  const int64_t row_bytes = RowBytes(tensor.type, file_cols);
  const int64_t part_bytes = RowBytes(tensor.type, n);
  const int64_t skip = first / block * BlockBytes(tensor.type);
  // A block's own columns lie together in each row; cut them out so that PackNeurons sees a
  // matrix of n columns.
  std::vector<std::byte> cut;
  return ReadRowsInPieces(
      file, tensor, 0, d_model, [&](int64_t row, int64_t count, const std::byte* bytes) {
        if (n != file_cols) {
          cut.resize(static_cast<size_t>(count * part_bytes));
          for (int64_t i = 0; i < count; ++i) {
            std::copy_n(bytes + i * row_bytes + skip, part_bytes, cut.data() + i * part_bytes);
          }
          bytes = cut.data();
        }
        PackNeurons(tensor.type, bytes, row, count, n, row_of.empty() ? nullptr : row_of.data(),
                    shape, out);
      });
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

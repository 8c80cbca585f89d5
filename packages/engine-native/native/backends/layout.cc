#include "backends/layout.h"

#include <cstring>

#include "backends/k_neurons.h"
#include "backends/k_quants.h"

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kPanel = 16;  // blocks
constexpr int64_t kScaleBytes = 2;

// Four lanes of four bytes, in a vector register of any processor.
typedef uint32_t Words __attribute__((vector_size(16)));

// Column v of a 4 x 4 square of lanes becomes row v.
void Transpose(const Words (&from)[4], Words (&to)[4]) {
  const Words a = __builtin_shufflevector(from[0], from[1], 0, 4, 1, 5);
  const Words b = __builtin_shufflevector(from[2], from[3], 0, 4, 1, 5);
  const Words c = __builtin_shufflevector(from[0], from[1], 2, 6, 3, 7);
  const Words d = __builtin_shufflevector(from[2], from[3], 2, 6, 3, 7);
  to[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  to[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  to[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  to[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

// 16 blocks of [scale, kSquares * 16 bytes of quants]. All is read before anything is written.
template <int kSquares>
void PackPanel(const std::byte* blocks, std::byte* out) {
  constexpr int64_t kBlockBytes = kScaleBytes + 16 * kSquares;
  std::byte scales[kPanel * kScaleBytes];
  Words vectors[kSquares][4][4];  // [quarter of a block][vector][four lanes]
  for (int64_t lanes = 0; lanes < 4; ++lanes) {
    for (int64_t lane = 4 * lanes; lane < 4 * lanes + 4; ++lane) {
      std::memcpy(scales + lane * kScaleBytes, blocks + lane * kBlockBytes, kScaleBytes);
    }
    for (int s = 0; s < kSquares; ++s) {
      Words from[4], to[4];
      for (int64_t i = 0; i < 4; ++i) {
        std::memcpy(&from[i], blocks + (4 * lanes + i) * kBlockBytes + kScaleBytes + 16 * s, 16);
      }
      Transpose(from, to);
      for (int v = 0; v < 4; ++v) vectors[s][v][lanes] = to[v];
    }
  }
  std::memcpy(out, scales, sizeof scales);
  std::memcpy(out + sizeof scales, vectors, sizeof vectors);
}

// The same for n < 16 blocks, word by word.
void PackLastPanel(int64_t quant_bytes, int64_t n, const std::byte* blocks, std::byte* out) {
  std::byte panel[kPanel * 34];
  for (int64_t lane = 0; lane < n; ++lane) {
    const std::byte* const block = blocks + lane * (kScaleBytes + quant_bytes);
    std::memcpy(panel + lane * kScaleBytes, block, kScaleBytes);
    for (int64_t v = 0; v < quant_bytes / 4; ++v) {
      std::memcpy(panel + n * kScaleBytes + (v * n + lane) * 4, block + kScaleBytes + 4 * v, 4);
    }
  }
  std::memcpy(out, panel, static_cast<size_t>(n * (kScaleBytes + quant_bytes)));
}

void PackQuantizedRow(DType type, const std::byte* file_row, int64_t blocks, std::byte* out) {
  const int64_t block_bytes = BlockBytes(type);
  for (; blocks >= kPanel; blocks -= kPanel) {
    if (type == DType::kQ8_0) {
      PackPanel<2>(file_row, out);
    } else {
      PackPanel<1>(file_row, out);
    }
    file_row += kPanel * block_bytes;
    out += kPanel * block_bytes;
  }
  if (blocks > 0) PackLastPanel(block_bytes - kScaleBytes, blocks, file_row, out);
}

}  // namespace

int64_t FileRowBytes(DType type, int64_t cols) {
  return cols / BlockElements(type) * BlockBytes(type);
}

int64_t RowBytes(DType type, int64_t cols) {
  return IsKQuant(type) ? cols / kSuperblock * SuperblockBytes(type) : FileRowBytes(type, cols);
}

RowMatrix MakeRowMatrix(DType type, int64_t rows, int64_t cols, const std::byte* data) {
  const int64_t row_bytes = RowBytes(type, cols);
  return {data, type, rows, cols, row_bytes, row_bytes};
}

void PackRows(DType type, const std::byte* file_rows, int64_t n, int64_t cols, std::byte* out) {
  if (IsKQuant(type)) return PackKRows(type, file_rows, n, cols, out);
  const int64_t row_bytes = RowBytes(type, cols);
  if (BlockElements(type) == 1) {
    if (n > 0 && out != file_rows) std::memcpy(out, file_rows, static_cast<size_t>(n * row_bytes));
    return;
  }
  for (int64_t i = 0; i < n; ++i) {
    PackQuantizedRow(type, file_rows + i * row_bytes, cols / kBlock, out + i * row_bytes);
  }
}

}  // namespace thermocline

#include "backends/layout.h"

#include <algorithm>
#include <cstring>

#include "backends/k_neurons.h"
#include "backends/k_quants.h"

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kPanel = 16;  // blocks
constexpr int64_t kScaleBytes = 2;
constexpr uint32_t kLeftOut = 0xFFFFFFFFU;

// --- rows -------------------------------------------------------------------------------

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

// --- neurons ----------------------------------------------------------------------------

// Transposes in squares, so that both sides stay in the first cache.
template <typename T>
void TransposePlain(const std::byte* file_rows, int64_t row_begin, int64_t n, int64_t n_ff,
                    const uint32_t* row_of_neuron, const NeuronMatrix& shape, std::byte* out) {
  constexpr int64_t kSquare = 32;
  constexpr int64_t kSize = static_cast<int64_t>(sizeof(T));
  for (int64_t j0 = 0; j0 < n_ff; j0 += kSquare) {
    const int64_t j_end = std::min(n_ff, j0 + kSquare);
    for (int64_t c0 = 0; c0 < n; c0 += kSquare) {
      const int64_t c_end = std::min(n, c0 + kSquare);
      for (int64_t j = j0; j < j_end; ++j) {
        const uint32_t row = row_of_neuron == nullptr ? static_cast<uint32_t>(j) : row_of_neuron[j];
        if (row == kLeftOut) continue;
        std::byte* const to = out + row * shape.row_bytes + row_begin * kSize;
        for (int64_t c = c0; c < c_end; ++c) {
          std::memcpy(to + c * kSize, file_rows + (c * n_ff + j) * kSize, sizeof(T));
        }
      }
    }
  }
}

void TransposeQ8(const std::byte* file_rows, int64_t row_begin, int64_t n, int64_t n_ff,
                 const NeuronMatrix& shape, std::byte* out) {
  const int64_t block_bytes = BlockBytes(DType::kQ8_0);
  for (int64_t g = 0; g < n_ff / kBlock; ++g) {
    std::byte* const group = out + g * shape.group_bytes;
    for (int64_t i = 0; i < n; ++i) {
      const std::byte* const block = file_rows + (i * (n_ff / kBlock) + g) * block_bytes;
      const int64_t c = row_begin + i;
      std::memcpy(group + kBlock * shape.row_bytes + c * kScaleBytes, block, kScaleBytes);
      for (int64_t j = 0; j < kBlock; ++j) group[j * shape.row_bytes + c] = block[kScaleBytes + j];
    }
  }
}

void TransposeQ4(const std::byte* file_rows, int64_t row_begin, int64_t n, int64_t n_ff,
                 const NeuronMatrix& shape, std::byte* out) {
  const int64_t block_bytes = BlockBytes(DType::kQ4_0);
  for (int64_t g = 0; g < n_ff / kBlock; ++g) {
    std::byte* const group = out + g * shape.group_bytes;
    for (int64_t i = 0; i < n; ++i) {
      const std::byte* const block = file_rows + (i * (n_ff / kBlock) + g) * block_bytes;
      const int64_t c = row_begin + i;
      std::memcpy(group + kBlock * shape.row_bytes + c * kScaleBytes, block, kScaleBytes);
      // Columns c and c + 16 of 32 share a byte, so each writes its own half of it.
      const bool high = c % kBlock >= kBlock / 2;
      const int64_t at = c / kBlock * (kBlock / 2) + c % (kBlock / 2);
      for (int64_t j = 0; j < kBlock; ++j) {
        const std::byte pair = block[kScaleBytes + j % (kBlock / 2)];
        const std::byte nibble = j < kBlock / 2 ? pair & std::byte{0x0F} : pair >> 4;
        std::byte& to = group[j * shape.row_bytes + at];
        to = high ? (to & std::byte{0x0F}) | (nibble << 4) : (to & std::byte{0xF0}) | nibble;
      }
    }
  }
}

}  // namespace

int64_t FileRowBytes(DType type, int64_t cols) {
  return cols / BlockElements(type) * BlockBytes(type);
}

int64_t RowBytes(DType type, int64_t cols) {
  return IsKQuant(type) ? cols / kSuperblock * SuperblockBytes(type) : FileRowBytes(type, cols);
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

NeuronMatrix MakeNeuronMatrix(DType type, int64_t neurons, int64_t d_model,
                              const std::byte* data) {
  if (IsKQuant(type)) return MakeKNeuronMatrix(type, neurons, d_model, data);
  NeuronMatrix matrix;
  matrix.data = data;
  matrix.type = type;
  matrix.rows = neurons;
  matrix.cols = d_model;
  if (BlockElements(type) == 1) {
    matrix.row_bytes = RowBytes(type, d_model);
  } else {
    matrix.row_bytes = type == DType::kQ8_0 ? d_model : d_model / 2;
    matrix.group_bytes = kBlock * matrix.row_bytes + d_model * kScaleBytes;
  }
  return matrix;
}

int64_t NeuronMatrixBytes(DType type, int64_t neurons, int64_t d_model) {
  const NeuronMatrix matrix = MakeNeuronMatrix(type, neurons, d_model, nullptr);
  if (BlockElements(type) == 1) return neurons * matrix.row_bytes;
  if (IsKQuant(type)) return neurons / kSuperblock * matrix.super_bytes;
  return (neurons + kBlock - 1) / kBlock * matrix.group_bytes;
}

void PackNeurons(DType type, const std::byte* file_rows, int64_t row_begin, int64_t n,
                 int64_t n_ff, const uint32_t* row_of_neuron, const NeuronMatrix& shape,
                 std::byte* out) {
  switch (type) {
    case DType::kF32:
      return TransposePlain<uint32_t>(file_rows, row_begin, n, n_ff, row_of_neuron, shape, out);
    case DType::kF16:
    case DType::kBF16:
      return TransposePlain<uint16_t>(file_rows, row_begin, n, n_ff, row_of_neuron, shape, out);
    case DType::kQ8_0: return TransposeQ8(file_rows, row_begin, n, n_ff, shape, out);
    case DType::kQ4_0: return TransposeQ4(file_rows, row_begin, n, n_ff, shape, out);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return PackKNeurons(type, file_rows, row_begin, n, n_ff, shape, out);
  }
}

}  // namespace thermocline

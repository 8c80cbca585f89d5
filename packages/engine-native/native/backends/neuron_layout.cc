#include "backends/neuron_layout.h"

#include <algorithm>
#include <cstring>

#include "backends/k_neurons.h"
#include "backends/k_quants.h"
#include "backends/layout.h"

namespace thermocline {
namespace {

constexpr int64_t kBlock = 32;
constexpr int64_t kScaleBytes = 2;
constexpr int64_t kChunkBytes = 64;
constexpr int64_t kUnitBytes = 16;
constexpr uint32_t kLeftOut = 0xFFFFFFFFU;

bool IsQuantized(DType type) { return BlockElements(type) != 1; }

// Of one row without scales.
int64_t QuantBytes(DType type, int64_t cols) { return type == DType::kQ8_0 ? cols : cols / 2; }

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
        std::byte* const to = out + row * shape.stride + row_begin * kSize;
        for (int64_t c = c0; c < c_end; ++c) {
          std::memcpy(to + c * kSize, file_rows + (c * n_ff + j) * kSize, sizeof(T));
        }
      }
    }
  }
}

// --- shared scales ---------------------------------------------------------------------------

// Sixteen bytes, as two words to work on at once.
struct Sixteen {
  uint64_t word[2];

  static Sixteen Load(const std::byte* p) {
    Sixteen value;
    std::memcpy(value.word, p, sizeof value.word);
    return value;
  }
};

// The words of 32 neurons at one place of their rows, from the bytes of the columns that share it.
// `words` is [32].
void JoinNibbles(const std::byte* const (&columns)[4], uint16_t* words) {
  constexpr uint64_t kLow = 0x0F0F0F0F0F0F0F0FULL;
  Sixteen in[4];
  for (int k = 0; k < 4; ++k) in[k] = Sixteen::Load(columns[k]);
  // Bytes of words, of the neurons 0 to 15 and 16 to 31.
  uint8_t bytes[2][2][16];
  for (int w = 0; w < 2; ++w) {
    for (int pair = 0; pair < 2; ++pair) {
      const uint64_t a = in[2 * pair].word[w], b = in[2 * pair + 1].word[w];
      const uint64_t first = (a & kLow) | (b & kLow) << 4;
      const uint64_t last = (a >> 4 & kLow) | (b & ~kLow);
      std::memcpy(bytes[0][pair] + 8 * w, &first, sizeof first);
      std::memcpy(bytes[1][pair] + 8 * w, &last, sizeof last);
    }
  }
  for (int half = 0; half < 2; ++half) {
    for (int j = 0; j < 16; ++j) {
      words[16 * half + j] =
          static_cast<uint16_t>(bytes[half][0][j] | bytes[half][1][j] << 8);
    }
  }
}

void JoinBytes(const std::byte* const (&columns)[2], uint16_t* words) {
  for (int64_t j = 0; j < kBlock; ++j) {
    words[j] = static_cast<uint16_t>(std::to_integer<int>(columns[0][j]) |
                                     std::to_integer<int>(columns[1][j]) << 8);
  }
}

// Columns in one word of a row, from the lowest bits.
template <DType T>
constexpr int kWordColumns = T == DType::kQ4_0 ? 4 : 2;

// The columns of word w of a chunk (units == 4) or a unit (units == 1), as kernels.h says.
template <DType T>
void ColumnsOfWord(int64_t units, int64_t w, int64_t (&columns)[kWordColumns<T>]) {
  const int64_t unit = w / 8, half = w / 4 % 2, p = w % 4;
  for (int k = 0; k < kWordColumns<T>; ++k) {
    if (units == 4) {
      columns[k] = 4 * unit + p + 16 * (kWordColumns<T> * half + k);
    } else {
      columns[k] = 8 * half + p + (T == DType::kQ4_0 ? k % 2 * 16 + k / 2 * 4 : k * 4);
    }
  }
}

// One group's part of a chunk or a unit. blocks: the group's block of its first column, of
// kScaleBytes + quants; the next column's is `stride` bytes on. rows: where it begins in the group's
// first row.
template <DType T>
void TransposeWords(const std::byte* blocks, int64_t stride, int64_t units, int64_t row_bytes,
                    std::byte* rows) {
  uint16_t words[kChunkBytes / 2][kBlock];
  const int64_t n_words = units * kUnitBytes / 2;
  for (int64_t w = 0; w < n_words; ++w) {
    int64_t columns[kWordColumns<T>];
    ColumnsOfWord<T>(units, w, columns);
    const std::byte* from[kWordColumns<T>];
    for (int k = 0; k < kWordColumns<T>; ++k) from[k] = blocks + columns[k] * stride + kScaleBytes;
    if constexpr (T == DType::kQ4_0) {
      JoinNibbles(from, words[w]);
    } else {
      JoinBytes(from, words[w]);
    }
  }
  for (int64_t j = 0; j < kBlock; ++j) {
    uint16_t row[kChunkBytes / 2];
    for (int64_t w = 0; w < n_words; ++w) row[w] = words[w][j];
    std::memcpy(rows + j * row_bytes, row, static_cast<size_t>(units * kUnitBytes));
  }
}

template <DType T>
void TransposeGroups(const std::byte* file_rows, int64_t row_begin, int64_t n, int64_t n_ff,
                     const NeuronMatrix& shape, std::byte* out) {
  const int64_t stride = n_ff / kBlock * BlockBytes(T);
  const int64_t unit_columns = kUnitBytes * kBlock / QuantBytes(T, kBlock);
  const int64_t chunk_columns = kChunkBytes / kUnitBytes * unit_columns;
  // Group after group of the same columns: a line of the file holds several.
  for (int64_t c = 0; c < n;) {
    const int64_t units = c + chunk_columns <= n ? kChunkBytes / kUnitBytes : 1;
    for (int64_t g = 0; g < n_ff / kBlock; ++g) {
      const std::byte* const blocks = file_rows + c * stride + g * BlockBytes(T);
      std::byte* const group = out + g * shape.group_bytes;
      TransposeWords<T>(blocks, stride, units, shape.row_bytes,
                        group + QuantBytes(T, row_begin + c));
      std::byte* const scales = group + kBlock * shape.row_bytes + (row_begin + c) * kScaleBytes;
      for (int64_t i = 0; i < units * unit_columns; ++i) {
        std::memcpy(scales + i * kScaleBytes, blocks + i * stride, kScaleBytes);
      }
    }
    c += units * unit_columns;
  }
}

// --- own scales ------------------------------------------------------------------------------

// Two runs of n bytes, byte by byte in turn.
void Alternate(const std::byte* first, const std::byte* second, int64_t n, std::byte* out) {
  for (int64_t i = 0; i < n; ++i) {
    out[2 * i] = first[i];
    out[2 * i + 1] = second[i];
  }
}

// Words hold what a byte of the file holds in each of theirs, so bytes only change places: sixteen
// of `first` and of `second` to one half of a chunk.
void PackHalf(const std::byte* first, const std::byte* second, int64_t half, std::byte* chunk) {
  for (int64_t unit = 0; unit < 4; ++unit) {
    Alternate(first + 4 * unit, second + 4 * unit, 4, chunk + 16 * unit + 8 * half);
  }
}

void PackUnit(const std::byte* bytes, std::byte* unit) {
  Alternate(bytes, bytes + 4, 4, unit);
  Alternate(bytes + 8, bytes + 12, 4, unit + 8);
}

template <DType T>
void PackOwnRow(const std::byte* blocks, int64_t d_model, std::byte* out) {
  constexpr int64_t kPairs = T == DType::kQ4_0 ? 2 : 1;  // of blocks in half a chunk
  const int64_t n_blocks = d_model / kBlock;
  const auto quants = [&](int64_t b) { return blocks + b * BlockBytes(T) + kScaleBytes; };
  int64_t b = 0;
  for (; b + 2 * kPairs <= n_blocks; b += 2 * kPairs, out += kChunkBytes) {
    for (int64_t half = 0; half < 2; ++half) {
      const std::byte* const first = quants(b + kPairs * half);
      PackHalf(first, T == DType::kQ4_0 ? quants(b + 2 * half + 1) : first + 16, half, out);
    }
  }
  for (; b < n_blocks; ++b) {
    for (int64_t i = 0; i < QuantBytes(T, kBlock); i += kUnitBytes, out += kUnitBytes) {
      PackUnit(quants(b) + i, out);
    }
  }
  for (b = 0; b < n_blocks; ++b) {
    std::memcpy(out + b * kScaleBytes, blocks + b * BlockBytes(T), kScaleBytes);
  }
}

template <DType T>
void PackOwnRows(const std::byte* file_rows, int64_t n, int64_t d_model, std::byte* out) {
  const int64_t row_bytes = RowBytes(T, d_model);
  for (int64_t i = 0; i < n; ++i) {
    PackOwnRow<T>(file_rows + i * row_bytes, d_model, out + i * row_bytes);
  }
}

}  // namespace

NeuronMatrix MakeNeuronMatrix(DType type, NeuronScales scales, int64_t neurons, int64_t d_model,
                              const std::byte* data) {
  if (IsKQuant(type)) return MakeKNeuronMatrix(type, neurons, d_model, data);
  NeuronMatrix matrix;
  matrix.data = data;
  matrix.type = type;
  matrix.rows = neurons;
  matrix.cols = d_model;
  if (IsQuantized(type) && scales == NeuronScales::kShared) {
    matrix.row_bytes = QuantBytes(type, d_model);
    matrix.group_bytes = kBlock * matrix.row_bytes + d_model * kScaleBytes;
  } else {
    matrix.row_bytes = RowBytes(type, d_model);
  }
  matrix.stride = matrix.row_bytes;
  return matrix;
}

int64_t NeuronMatrixBytes(DType type, NeuronScales scales, int64_t neurons, int64_t d_model) {
  const NeuronMatrix matrix = MakeNeuronMatrix(type, scales, neurons, d_model, nullptr);
  if (matrix.group_bytes == 0) return neurons * matrix.row_bytes;
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
    case DType::kQ8_0:
      return TransposeGroups<DType::kQ8_0>(file_rows, row_begin, n, n_ff, shape, out);
    case DType::kQ4_0:
      return TransposeGroups<DType::kQ4_0>(file_rows, row_begin, n, n_ff, shape, out);
    case DType::kQ4_K:
    case DType::kQ5_K:
    case DType::kQ6_K: return PackKNeurons(type, file_rows, row_begin, n, n_ff, shape, out);
  }
}

void PackNeuronRows(DType type, const std::byte* file_rows, int64_t n, int64_t d_model,
                    std::byte* out) {
  if (type == DType::kQ8_0) return PackOwnRows<DType::kQ8_0>(file_rows, n, d_model, out);
  if (type == DType::kQ4_0) return PackOwnRows<DType::kQ4_0>(file_rows, n, d_model, out);
  if (n > 0) std::memcpy(out, file_rows, static_cast<size_t>(n * RowBytes(type, d_model)));
}

}  // namespace thermocline

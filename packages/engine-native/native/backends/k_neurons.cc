#include "backends/k_neurons.h"

#include <algorithm>
#include <cstring>

#include "backends/k_quants.h"

namespace thermocline {
namespace {

constexpr int64_t kGroup = 32;  // neurons
constexpr int64_t kGroups = kSuperblock / kGroup;
constexpr int64_t kColumns = 32;  // that share bytes of quants

// Bits above the four of the nibble, of each weight.
int64_t HighBits(DType type) {
  return type == DType::kQ4_K ? 0 : type == DType::kQ5_K ? 1 : 2;
}

// The quants of one group for up to 32 columns: [column][neuron].
struct Tile {
  uint8_t q[kColumns][kGroup];
};

void Set(std::byte& to, int bits, int shift, int mask) {
  to = (to & ~std::byte(mask << shift)) | std::byte(bits << shift);
}

// One weight; its neighbours' bits stay.
void PutQuant(DType type, int q, int64_t c, int64_t cols, std::byte* row) {
  const int64_t in_block = c % kColumns;
  Set(row[c / kColumns * 16 + in_block % 16], q & 15, in_block < 16 ? 0 : 4, 15);
  const int64_t bits = HighBits(type);
  if (bits == 0) return;
  const int64_t per_byte = 8 / bits;
  Set(row[cols / 2 + c / per_byte], q >> 4, static_cast<int>(c % per_byte * bits),
      (1 << bits) - 1);
}

// Whole blocks of 32 columns for one neuron.
void PutBlock(DType type, const Tile& tile, int64_t j, int64_t c, int64_t cols, std::byte* row) {
  std::byte* const nibbles = row + c / 2;
  for (int64_t i = 0; i < 16; ++i) {
    nibbles[i] = std::byte((tile.q[i][j] & 15) | (tile.q[i + 16][j] & 15) << 4);
  }
  const int64_t bits = HighBits(type);
  if (bits == 0) return;
  uint64_t high = 0;
  for (int64_t i = 0; i < kColumns; ++i) high |= uint64_t{tile.q[i][j]} >> 4 << (bits * i);
  for (int64_t i = 0; i < bits * kColumns / 8; ++i) {
    row[cols / 2 + c * bits / 8 + i] = std::byte(high >> (8 * i) & 255);
  }
}

void PutTile(DType type, const Tile& tile, int64_t c, int64_t n, const NeuronMatrix& shape,
             std::byte* group) {
  for (int64_t j = 0; j < kGroup; ++j) {
    std::byte* const row = group + j * shape.row_bytes;
    if (n == kColumns) {
      PutBlock(type, tile, j, c, shape.cols, row);
      continue;
    }
    for (int64_t i = 0; i < n; ++i) PutQuant(type, tile.q[i][j], c + i, shape.cols, row);
  }
}

// The superblocks of 256 neurons for columns [c, c + n), which share bytes.
void PackSuperblocks(DType type, const std::byte* file, int64_t file_row_bytes, int64_t c,
                     int64_t n, const NeuronMatrix& shape, std::byte* out) {
  Tile tiles[kGroups];
  std::byte* const scales = out + kGroups * shape.group_bytes;
  for (int64_t i = 0; i < n; ++i) {
    Superblock block;
    ReadSuperblock(type, file + i * file_row_bytes, &block);
    std::memcpy(scales + 2 * (c + i), &block.d, 2);
    if (type != DType::kQ6_K) std::memcpy(scales + 2 * (shape.cols + c + i), &block.dmin, 2);
    for (int64_t g = 0; g < kGroups; ++g) {
      std::byte* const first = out + g * shape.group_bytes + kGroup * shape.row_bytes;
      first[c + i] = std::byte{block.first[g]};
      first[shape.cols + c + i] = std::byte{block.second[g]};
      std::memcpy(tiles[g].q[i], block.q + g * kGroup, kGroup);
    }
  }
  for (int64_t g = 0; g < kGroups; ++g) {
    PutTile(type, tiles[g], c, n, shape, out + g * shape.group_bytes);
  }
}

}  // namespace

NeuronMatrix MakeKNeuronMatrix(DType type, int64_t neurons, int64_t d_model,
                               const std::byte* data) {
  NeuronMatrix matrix;
  matrix.data = data;
  matrix.type = type;
  matrix.rows = neurons;
  matrix.cols = d_model;
  matrix.row_bytes = d_model / 2 + d_model * HighBits(type) / 8;
  matrix.group_bytes = kGroup * matrix.row_bytes + 2 * d_model;
  matrix.super_bytes = kGroups * matrix.group_bytes + (type == DType::kQ6_K ? 2 : 4) * d_model;
  return matrix;
}

void PackKNeurons(DType type, const std::byte* file_rows, int64_t row_begin, int64_t n,
                  int64_t n_ff, const NeuronMatrix& shape, std::byte* out) {
  const int64_t superblocks = n_ff / kSuperblock;
  const int64_t file_row_bytes = superblocks * BlockBytes(type);
  for (int64_t c = row_begin; c < row_begin + n;) {
    const int64_t end = std::min(row_begin + n, (c / kColumns + 1) * kColumns);
    for (int64_t s = 0; s < superblocks; ++s) {
      PackSuperblocks(type, file_rows + (c - row_begin) * file_row_bytes + s * BlockBytes(type),
                      file_row_bytes, c, end - c, shape, out + s * shape.super_bytes);
    }
    c = end;
  }
}

}  // namespace thermocline

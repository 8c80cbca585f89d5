#include "backends/k_neurons.h"

#include <cstring>

#include "backends/k_quants.h"

namespace thermocline {
namespace {

constexpr int64_t kGroup = 32;  // neurons
constexpr int64_t kGroups = kSuperblock / kGroup;

// Bits above the four of the nibble, of each weight.
int64_t HighBits(DType type) {
  return type == DType::kQ4_K ? 0 : type == DType::kQ5_K ? 1 : 2;
}

// What lies together in rows: vectors of `lanes` columns, one for each of eight sums.
struct Piece {
  int64_t columns;  // 128, or 32 where fewer are left
  int64_t lanes;

  explicit Piece(int64_t left) : columns(left >= kNeuronColumns ? kNeuronColumns : 32), lanes(columns / 8) {}
  int64_t Column(int64_t sum, int64_t lane) const {
    if (lanes == 16) return 16 * sum + lane;
    return sum / 4 * 8 + sum % 4 / 2 * 4 + sum % 2 * 16 + lane;
  }
};

void Put16(uint16_t value, std::byte* to) { std::memcpy(to, &value, sizeof value); }

// The quants of one neuron, q[column], to `nibbles` and to the `high` bits above them.
void PutPiece(const Piece& piece, int64_t bits, const uint8_t* const (&q)[kNeuronColumns], int64_t j,
              std::byte* nibbles, std::byte* high) {
  for (int64_t lane = 0; lane < piece.lanes; ++lane) {
    uint16_t words[2] = {}, top = 0;
    for (int64_t sum = 0; sum < 8; ++sum) {
      const int value = q[piece.Column(sum, lane)][j];
      words[sum / 4] = static_cast<uint16_t>(words[sum / 4] | (value & 15) << (4 * (sum % 4)));
      top = static_cast<uint16_t>(top | value >> 4 << (bits * sum));
    }
    for (int64_t half = 0; half < 2; ++half) {
      Put16(words[half], nibbles + 2 * (lane / 4 * 8 + 4 * half + lane % 4));
    }
    if (bits > 0) std::memcpy(high + bits * lane, &top, static_cast<size_t>(bits));
  }
}

// The superblocks of 256 neurons for the columns of one piece, from c on.
void PackSuperblocks(DType type, const std::byte* file, int64_t file_row_bytes, int64_t c,
                     const Piece& piece, const NeuronMatrix& shape, std::byte* out) {
  Superblock blocks[kNeuronColumns];
  std::byte* const scales = out + kGroups * shape.group_bytes;
  for (int64_t i = 0; i < piece.columns; ++i) {
    Superblock& block = blocks[i];
    ReadSuperblock(type, file + i * file_row_bytes, &block);
    Put16(block.d, scales + 2 * (c + i));
    if (type != DType::kQ6_K) Put16(block.dmin, scales + 2 * (shape.cols + c + i));
  }
  const int64_t bits = HighBits(type);
  for (int64_t g = 0; g < kGroups; ++g) {
    std::byte* const group = out + g * shape.group_bytes;
    std::byte* const first = group + kGroup * shape.row_bytes + c;
    const uint8_t* q[kNeuronColumns] = {};
    for (int64_t i = 0; i < piece.columns; ++i) {
      first[i] = std::byte{blocks[i].first[g]};
      first[shape.cols + i] = std::byte{blocks[i].second[g]};
      q[i] = blocks[i].q + g * kGroup;
    }
    for (int64_t j = 0; j < kGroup; ++j) {
      std::byte* const row = group + j * shape.row_bytes;
      PutPiece(piece, bits, q, j, row + c / 2, row + shape.cols / 2 + c * bits / 8);
    }
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
  matrix.stride = matrix.row_bytes;
  matrix.group_bytes = kGroup * matrix.row_bytes + 2 * d_model;
  matrix.super_bytes = kGroups * matrix.group_bytes + (type == DType::kQ6_K ? 2 : 4) * d_model;
  return matrix;
}

void PackKNeurons(DType type, const std::byte* file_rows, int64_t row_begin, int64_t n,
                  int64_t n_ff, const NeuronMatrix& shape, std::byte* out) {
  const int64_t superblocks = n_ff / kSuperblock;
  const int64_t file_row_bytes = superblocks * BlockBytes(type);
  for (int64_t c = row_begin; c < row_begin + n;) {
    const Piece piece(row_begin + n - c);
    for (int64_t s = 0; s < superblocks; ++s) {
      PackSuperblocks(type, file_rows + (c - row_begin) * file_row_bytes + s * BlockBytes(type),
                      file_row_bytes, c, piece, shape, out + s * shape.super_bytes);
    }
    c += piece.columns;
  }
}

}  // namespace thermocline

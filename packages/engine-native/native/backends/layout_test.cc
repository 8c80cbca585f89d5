#include "backends/layout.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::FileElement;
using suite::FileRows;
using suite::Neurons;
using suite::Random;
using suite::Rows;

float Half(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return F16ToF32(bits);
}

// A neuron's value as kernels.h describes the layout.
double PackedElement(const NeuronMatrix& w, int64_t row, int64_t c) {
  if (BlockElements(w.type) == 1) {
    return FileElement(w.type, w.data + row * w.row_bytes, w.cols, 0, c);
  }
  const std::byte* const group = w.data + row / 32 * w.group_bytes;
  const std::byte* const quants = group + row % 32 * w.row_bytes;
  const auto scale = static_cast<double>(Half(group + 32 * w.row_bytes + 2 * c));
  if (w.type == DType::kQ8_0) return scale * static_cast<int8_t>(quants[c]);
  const int pair = std::to_integer<int>(quants[c / 32 * 16 + c % 16]);
  return scale * ((c % 32 < 16 ? pair & 15 : pair >> 4) - 8);
}

TEST(Layout, BytesOfRows) {
  EXPECT_EQ(RowBytes(DType::kF32, 17), 68);
  EXPECT_EQ(RowBytes(DType::kF16, 17), 34);
  EXPECT_EQ(RowBytes(DType::kBF16, 17), 34);
  EXPECT_EQ(RowBytes(DType::kQ8_0, 96), 3 * 34);
  EXPECT_EQ(RowBytes(DType::kQ4_0, 96), 3 * 18);
  EXPECT_EQ(NeuronMatrixBytes(DType::kF16, 7, 10), 140);
  EXPECT_EQ(NeuronMatrixBytes(DType::kQ8_0, 64, 96), 2 * (32 * 96 + 192));
  EXPECT_EQ(NeuronMatrixBytes(DType::kQ4_0, 64, 96), 2 * (32 * 48 + 192));
}

// Byte i of the quants of block b of a row, where kernels.h says that it is.
std::byte PackedByte(const RowMatrix& w, int64_t row, int64_t block, int64_t i) {
  const int64_t first = block / 16 * 16;
  const int64_t n = std::min<int64_t>(16, w.cols / 32 - first);
  const std::byte* const panel = w.data + row * w.row_bytes + first * BlockBytes(w.type);
  return panel[2 * n + i / 4 * (4 * n) + 4 * (block - first) + i % 4];
}

TEST(Layout, PackRowsKeepsEveryBit) {
  Random random(1);
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    for (int64_t blocks = 1; blocks <= 35; ++blocks) {
      const Rows w(type, 3, 32 * blocks, random);
      bool same = true;
      for (int64_t r = 0; r < 3; ++r) {
        for (int64_t b = 0; b < blocks; ++b) {
          const std::byte* const block = w.file.data() + (r * blocks + b) * BlockBytes(type);
          const std::byte* const scales =
              w.packed.data() + r * w.matrix.row_bytes + b / 16 * 16 * BlockBytes(type);
          same = same && std::memcmp(scales + b % 16 * 2, block, 2) == 0;
          for (int64_t i = 0; i < BlockBytes(type) - 2; ++i) {
            same = same && PackedByte(w.matrix, r, b, i) == block[2 + i];
          }
        }
      }
      EXPECT_TRUE(same);
    }
  }
}

TEST(Layout, PackRowsInPlace) {
  Random random(4);
  for (const DType type : suite::kTypes) {
    if (IsKQuant(type)) continue;  // their rows grow
    for (const int64_t cols : {32, 480, 512, 544, 2048}) {
      Rows w(type, 5, cols, random);
      PackRows(type, w.file.data(), 5, cols, w.file.data());
      EXPECT_TRUE(w.file == w.packed);
    }
  }
}

TEST(Layout, PackNeuronsTransposes) {
  Random random(2);
  for (const DType type : suite::kTypes) {
    if (IsKQuant(type)) continue;  // k_quants_test.cc
    for (const int64_t d_model : {32, 96, 288}) {
      const Neurons w(type, 96, d_model, random);  // in pieces of uneven size
      bool same = true;
      for (int64_t j = 0; j < 96; ++j) {
        for (int64_t c = 0; c < d_model; ++c) {
          same = same && w.At(j, c) == PackedElement(w.matrix, j, c);
        }
      }
      EXPECT_TRUE(same);
    }
  }
}

TEST(Layout, PackNeuronsPermutesAndLeavesOut) {
  Random random(3);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    constexpr int64_t kNeurons = 45, kModel = 37;
    const std::vector<std::byte> file = FileRows(type, kModel, kNeurons, random);
    std::vector<uint32_t> row_of(kNeurons, 0xFFFFFFFFU);
    uint32_t kept = 0;
    for (int64_t j = kNeurons - 1; j >= 0; j -= 2) row_of[static_cast<size_t>(j)] = kept++;
    std::vector<std::byte> packed(static_cast<size_t>(NeuronMatrixBytes(type, kept, kModel)));
    const NeuronMatrix w = MakeNeuronMatrix(type, kept, kModel, packed.data());
    PackNeurons(type, file.data(), 0, kModel, kNeurons, row_of.data(), w, packed.data());
    for (int64_t j = 0; j < kNeurons; ++j) {
      const uint32_t row = row_of[static_cast<size_t>(j)];
      if (row == 0xFFFFFFFFU) continue;
      for (int64_t c = 0; c < kModel; ++c) {
        EXPECT_EQ(PackedElement(w, row, c), FileElement(type, file.data(), kNeurons, c, j));
      }
    }
  }
}

}  // namespace
}  // namespace thermocline

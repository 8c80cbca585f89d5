#include "backends/layout.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::Random;
using suite::Rows;

TEST(Layout, BytesOfRows) {
  EXPECT_EQ(RowBytes(DType::kF32, 17), 68);
  EXPECT_EQ(RowBytes(DType::kF16, 17), 34);
  EXPECT_EQ(RowBytes(DType::kBF16, 17), 34);
  EXPECT_EQ(RowBytes(DType::kQ8_0, 96), 3 * 34);
  EXPECT_EQ(RowBytes(DType::kQ4_0, 96), 3 * 18);
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

}  // namespace
}  // namespace thermocline

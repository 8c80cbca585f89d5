#include "backends/k_quants.h"

#include <vector>

#include "backends/layout.h"
#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

constexpr DType kKQuants[] = {DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

TEST(KQuants, SuperblocksAreReadAsTheFormatSays) {
  suite::Random random(1);
  for (const DType type : kKQuants) {
    for (int round = 0; round < 20; ++round) {
      std::vector<std::byte> file(static_cast<size_t>(BlockBytes(type)));
      suite::FillSuperblock(type, random.Normal(), random, file.data());
      Superblock block;
      ReadSuperblock(type, file.data(), &block);
      bool same = true;
      for (int64_t i = 0; i < kSuperblock; ++i) {
        const auto d = static_cast<double>(F16ToF32(block.d));
        const auto dmin = static_cast<double>(F16ToF32(block.dmin));
        const int64_t b = i / 32;
        const int scale = static_cast<int8_t>(i % 32 < 16 ? block.first[b] : block.second[b]);
        const double value = type == DType::kQ6_K
                                 ? d * scale * (block.q[i] - 32)
                                 : d * block.first[b] * block.q[i] - dmin * block.second[b];
        same = same && value == suite::SuperblockElement(type, file.data(), i);
      }
      EXPECT_TRUE(same);
    }
  }
}

// Bytes written down by hand: where each bit goes.
TEST(KQuants, BitsOfQ4K) {
  std::vector<std::byte> file(144, std::byte{0});
  file[16 + 32] = std::byte{0xA5};     // elements 64 and 96
  file[4 + 2] = std::byte{0b11000001}; // scale 1 of block 2, top bits of the scale of block 6
  file[4 + 10] = std::byte{0x42};      // low bits of block 6: scale 2, minimum 4
  Superblock block;
  ReadSuperblock(DType::kQ4_K, file.data(), &block);
  EXPECT_EQ(int{block.q[64]}, 5);
  EXPECT_EQ(int{block.q[96]}, 10);
  EXPECT_EQ(int{block.first[2]}, 1);
  EXPECT_EQ(int{block.first[6]}, 48 + 2);
  EXPECT_EQ(int{block.second[6]}, 4);
}

TEST(KQuants, BytesInFilesAndInMemory) {
  EXPECT_EQ(FileRowBytes(DType::kQ4_K, 768), 3 * 144);
  EXPECT_EQ(RowBytes(DType::kQ4_K, 768), 3 * 148);
  EXPECT_EQ(FileRowBytes(DType::kQ5_K, 512), 2 * 176);
  EXPECT_EQ(RowBytes(DType::kQ5_K, 512), 2 * 180);
  EXPECT_EQ(FileRowBytes(DType::kQ6_K, 512), 2 * 210);
  EXPECT_EQ(RowBytes(DType::kQ6_K, 512), 2 * 210);
  for (const DType type : kKQuants) {
    EXPECT_EQ(NeuronMatrixBytes(type, NeuronScales::kShared, 512, 96), 2 * 96 * SuperblockBytes(type));
  }
}

TEST(KQuants, RowsKeepEveryWeight) {
  suite::Random random(2);
  for (const DType type : kKQuants) {
    for (const int64_t cols : {256, 512, 768, 1280}) {
      const suite::Rows w(type, 5, cols, random);
      std::vector<float> row(static_cast<size_t>(cols));
      for (int64_t r = 0; r < 5; ++r) {
        ReferenceKernels().widen_row(w.matrix, r, row.data());
        for (int64_t c = 0; c < cols; ++c) {
          const double value = w.At(r, c);
          EXPECT_NEAR(static_cast<double>(row[static_cast<size_t>(c)]), value,
                      1e-6 * std::fabs(value) + 1e-4);
        }
      }
    }
  }
}

TEST(KQuants, NeuronsKeepEveryWeight) {
  suite::Random random(3);
  for (const DType type : kKQuants) {
    for (const int64_t d_model : {32, 96, 288}) {
      const suite::Neurons w(type, NeuronScales::kShared, 512, d_model, random);  // in pieces of uneven size
      std::vector<float> h(512, 0.0F);
      for (int64_t i = 0; i < 20; ++i) {
        const auto j = static_cast<uint32_t>(random.Below(512));
        std::vector<float> y(static_cast<size_t>(d_model), 0.0F);
        h[j] = 1;
        ReferenceKernels().accumulate_neurons(w.matrix, {&j, &j, 1}, h.data(), y.data());
        h[j] = 0;
        for (int64_t c = 0; c < d_model; ++c) {
          const double value = w.At(j, c);
          EXPECT_NEAR(static_cast<double>(y[static_cast<size_t>(c)]), value,
                      1e-6 * std::fabs(value) + 1e-4);
        }
      }
    }
  }
}

}  // namespace
}  // namespace thermocline

#include "backends/neuron_layout.h"

#include <cstring>
#include <vector>

#include "backends/layout.h"
#include "backends/suite_data.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using suite::FileElement;
using suite::FileRows;
using suite::Neurons;
using suite::Random;

float Half(const std::byte* p) {
  uint16_t bits;
  std::memcpy(&bits, p, sizeof bits);
  return F16ToF32(bits);
}

// Every quant of a row by column, read out as kernels.h describes chunks and units.
std::vector<int> QuantsOf(const NeuronMatrix& w, const std::byte* row) {
  const bool nibbles = w.type == DType::kQ4_0;
  std::vector<int> quants(static_cast<size_t>(w.cols));
  const auto put = [&](int64_t c, int word, int64_t k) {
    quants[static_cast<size_t>(c)] =
        nibbles ? (word >> (4 * k) & 15) - 8 : static_cast<int8_t>(word >> (8 * k));
  };
  const auto take_word = [&row] {
    const int word = std::to_integer<int>(row[0]) | std::to_integer<int>(row[1]) << 8;
    row += 2;
    return word;
  };
  const int64_t chunk = nibbles ? 128 : 64, unit = nibbles ? 32 : 16, per_word = nibbles ? 4 : 2;
  int64_t c = 0;
  for (; c + chunk <= w.cols; c += chunk) {
    for (int64_t l = 0; l < 4; ++l) {
      for (int64_t half = 0; half < 2; ++half) {
        for (int64_t p = 0; p < 4; ++p) {
          const int word = take_word();
          for (int64_t k = 0; k < per_word; ++k) {
            put(c + 4 * l + p + 16 * (per_word * half + k), word, k);
          }
        }
      }
    }
  }
  constexpr int64_t kNibbleColumns[] = {0, 16, 4, 20};
  for (; c < w.cols; c += unit) {
    for (int64_t half = 0; half < 2; ++half) {
      for (int64_t p = 0; p < 4; ++p) {
        const int word = take_word();
        for (int64_t k = 0; k < per_word; ++k) {
          put(c + 8 * half + p + (nibbles ? kNibbleColumns[k] : 4 * k), word, k);
        }
      }
    }
  }
  return quants;
}

// A neuron's values as kernels.h describes the layout.
std::vector<double> PackedRow(const NeuronMatrix& w, int64_t row) {
  std::vector<double> values(static_cast<size_t>(w.cols));
  if (BlockElements(w.type) == 1) {
    for (int64_t c = 0; c < w.cols; ++c) {
      values[static_cast<size_t>(c)] =
          FileElement(w.type, w.data + row * w.row_bytes, w.cols, 0, c);
    }
    return values;
  }
  const bool own = w.group_bytes == 0;
  const std::byte* const group = w.data + row / 32 * w.group_bytes;
  const std::byte* const data = own ? w.data + row * w.row_bytes : group + row % 32 * w.row_bytes;
  const std::byte* const scales =
      own ? data + (w.type == DType::kQ8_0 ? w.cols : w.cols / 2) : group + 32 * w.row_bytes;
  const std::vector<int> quants = QuantsOf(w, data);
  for (int64_t c = 0; c < w.cols; ++c) {
    values[static_cast<size_t>(c)] =
        static_cast<double>(Half(scales + 2 * (own ? c / 32 : c))) * quants[static_cast<size_t>(c)];
  }
  return values;
}

TEST(NeuronLayout, Bytes) {
  const auto shared = NeuronScales::kShared, own = NeuronScales::kOwn;
  EXPECT_EQ(NeuronMatrixBytes(DType::kF16, shared, 7, 10), 140);
  EXPECT_EQ(NeuronMatrixBytes(DType::kF16, own, 7, 10), 140);
  EXPECT_EQ(NeuronMatrixBytes(DType::kQ8_0, shared, 64, 96), 2 * (32 * 96 + 192));
  EXPECT_EQ(NeuronMatrixBytes(DType::kQ4_0, shared, 64, 96), 2 * (32 * 48 + 192));
  EXPECT_EQ(NeuronMatrixBytes(DType::kQ8_0, own, 7, 96), 7 * (96 + 6));
  EXPECT_EQ(NeuronMatrixBytes(DType::kQ4_0, own, 7, 96), 7 * (48 + 6));
}

TEST(NeuronLayout, EveryValueIsWhereItShouldBe) {
  Random random(2);
  for (const DType type : suite::kTypes) {
    if (IsKQuant(type)) continue;  // k_quants_test.cc
    for (const NeuronScales scales : {NeuronScales::kShared, NeuronScales::kOwn}) {
      for (const int64_t d_model : {32, 64, 96, 128, 160, 288, 384}) {
        const Neurons w(type, scales, 96, d_model, random);
        bool same = true;
        for (int64_t j = 0; j < 96; ++j) {
          const std::vector<double> row = PackedRow(w.matrix, j);
          for (int64_t c = 0; c < d_model; ++c) {
            same = same && w.At(j, c) == row[static_cast<size_t>(c)];
          }
        }
        EXPECT_TRUE(same);
      }
    }
  }
}

TEST(NeuronLayout, PackNeuronsPermutesAndLeavesOut) {
  Random random(3);
  for (const DType type : {DType::kF32, DType::kF16, DType::kBF16}) {
    constexpr int64_t kNeurons = 45, kModel = 37;
    const std::vector<std::byte> file = FileRows(type, kModel, kNeurons, random);
    std::vector<uint32_t> row_of(kNeurons, 0xFFFFFFFFU);
    uint32_t kept = 0;
    for (int64_t j = kNeurons - 1; j >= 0; j -= 2) row_of[static_cast<size_t>(j)] = kept++;
    const auto shared = NeuronScales::kShared;
    std::vector<std::byte> packed(
        static_cast<size_t>(NeuronMatrixBytes(type, shared, kept, kModel)));
    const NeuronMatrix w = MakeNeuronMatrix(type, shared, kept, kModel, packed.data());
    PackNeurons(type, file.data(), 0, kModel, kNeurons, row_of.data(), w, packed.data());
    for (int64_t j = 0; j < kNeurons; ++j) {
      const uint32_t row = row_of[static_cast<size_t>(j)];
      if (row == 0xFFFFFFFFU) continue;
      const std::vector<double> values = PackedRow(w, row);
      for (int64_t c = 0; c < kModel; ++c) {
        EXPECT_EQ(values[static_cast<size_t>(c)], FileElement(type, file.data(), kNeurons, c, j));
      }
    }
  }
}

}  // namespace
}  // namespace thermocline

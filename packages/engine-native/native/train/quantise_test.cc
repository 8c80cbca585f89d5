#include "train/quantise.h"

#include <cmath>
#include <cstring>
#include <random>

#include "backends/layout.h"
#include "util/f16.h"
#include "util/testing.h"

namespace thermocline {
namespace {

constexpr PredictorType kTypes[] = {PredictorType::kF32,  PredictorType::kF16,
                                    PredictorType::kBF16, PredictorType::kI8,
                                    PredictorType::kQ8_0, PredictorType::kQ4_0};
// The largest error as a share of the largest magnitude that shares its scale.
constexpr float kErrors[] = {0, 0x1p-11F, 0x1p-8F, 0.5F / 127 + 1e-5F, 0.5F / 127 + 6e-4F, 0.13F};

std::vector<float> RandomMatrix(int64_t rows, int64_t cols) {
  std::mt19937 random(12);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(rows * cols));
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = normal(random) * std::exp2(static_cast<float>(i / 64 % 9) - 4);
  }
  return values;
}

TEST(Quantise, ComesBackWithinTheTypesError) {
  ThreadPool pool(2);
  const std::vector<float> values = RandomMatrix(17, 96);
  for (size_t t = 0; t < 6; ++t) {
    const auto matrix = Quantise(kTypes[t], values.data(), 17, 96, pool);
    ASSERT_OK(matrix);
    std::vector<float> back(values.size());
    Dequantise(*matrix, back.data(), pool);
    const size_t shared = kTypes[t] == PredictorType::kI8 ? 96 : t < 3 ? 1 : 32;
    for (size_t i = 0; i < values.size(); ++i) {
      float largest = 0;
      for (size_t j = i / shared * shared; j < (i / shared + 1) * shared; ++j) {
        largest = std::max(largest, std::fabs(values[j]));
      }
      EXPECT_LE(std::fabs(back[i] - values[i]), kErrors[t] * largest);
    }
  }
}

// The same bytes, put together as a GGUF file has them, read by the engine's own kernels.
TEST(Quantise, MeansToTheEngineWhatItMeansHere) {
  ThreadPool pool(1);
  const std::vector<float> values = RandomMatrix(5, 64);
  for (const auto& [type, dtype] : {std::pair{PredictorType::kQ8_0, DType::kQ8_0},
                                    std::pair{PredictorType::kQ4_0, DType::kQ4_0}}) {
    const auto matrix = Quantise(type, values.data(), 5, 64, pool);
    ASSERT_OK(matrix);
    const size_t quants = dtype == DType::kQ8_0 ? 32 : 16;
    std::vector<std::byte> file;
    for (size_t block = 0; block < matrix->block_scale.size(); ++block) {
      const auto* scale = reinterpret_cast<const std::byte*>(&matrix->block_scale[block]);
      file.insert(file.end(), scale, scale + 2);
      const auto from = matrix->values.begin() + static_cast<std::ptrdiff_t>(block * quants);
      file.insert(file.end(), from, from + static_cast<std::ptrdiff_t>(quants));
    }
    std::vector<std::byte> packed(static_cast<size_t>(5 * RowBytes(dtype, 64)));
    PackRows(dtype, file.data(), 5, 64, packed.data());
    std::vector<float> back(values.size()), row(64);
    Dequantise(*matrix, back.data(), pool);
    for (int64_t r = 0; r < 5; ++r) {
      ReferenceKernels().widen_row(MakeRowMatrix(dtype, 5, 64, packed.data()), r, row.data());
      for (size_t c = 0; c < 64; ++c) EXPECT_EQ(row[c], back[static_cast<size_t>(r) * 64 + c]);
    }
  }
}

// Bytes worked out by hand from the definition of the types.
TEST(Quantise, GivesTheReferenceQuantisersBytes) {
  ThreadPool pool(1);
  std::vector<float> values(32, 0.0F);
  values[0] = -2;
  values[1] = 1;
  values[16] = 0.9F;
  values[31] = 0.124F;
  const auto q8 = Quantise(PredictorType::kQ8_0, values.data(), 1, 32, pool);
  ASSERT_OK(q8);
  EXPECT_EQ(q8->block_scale[0], F32ToF16(2.0F / 127));
  EXPECT_EQ(static_cast<int>(static_cast<int8_t>(q8->values[0])), -127);
  EXPECT_EQ(static_cast<int>(static_cast<int8_t>(q8->values[1])), 64);  // 63.5, away from zero
  EXPECT_EQ(static_cast<int>(static_cast<int8_t>(q8->values[31])), 8);
  const auto q4 = Quantise(PredictorType::kQ4_0, values.data(), 1, 32, pool);
  ASSERT_OK(q4);
  EXPECT_EQ(q4->block_scale[0], F32ToF16(0.25F));
  EXPECT_EQ(static_cast<int>(q4->values[0]), (12 << 4) | 0);  // 0.9 / 0.25 = 3.6, and -2 is -8
  EXPECT_EQ(static_cast<int>(q4->values[1]), (8 << 4) | 12);
  EXPECT_EQ(static_cast<int>(q4->values[15]), (8 << 4) | 8);  // 0.496 rounds to 0
}

TEST(Quantise, TakesZerosAndTheSmallestNumbers) {
  ThreadPool pool(1);
  std::vector<float> values(64, 0.0F);
  values[40] = 1e-42F;
  for (const PredictorType type : kTypes) {
    const auto matrix = Quantise(type, values.data(), 2, 32, pool);
    ASSERT_OK(matrix);
    std::vector<float> back(64, 1.0F);
    Dequantise(*matrix, back.data(), pool);
    for (size_t i = 0; i < 64; ++i) EXPECT_LE(std::fabs(back[i]), 1e-41F);
  }
}

TEST(Quantise, RefusesWhatATypeCannotHold) {
  ThreadPool pool(1);
  std::vector<float> values(64, 1.0F);
  EXPECT_STATUS(Quantise(PredictorType::kQ4_0, values.data(), 1, 33, pool),
                StatusCode::kInvalidArgument);
  EXPECT_STATUS(Quantise(PredictorType::kQ8_0, values.data(), 4, 16, pool),
                StatusCode::kInvalidArgument);
  for (const PredictorType type : kTypes) {
    values[5] = std::nanf("");
    EXPECT_STATUS(Quantise(type, values.data(), 2, 32, pool), StatusCode::kInvalidArgument);
    values[5] = INFINITY;
    EXPECT_STATUS(Quantise(type, values.data(), 2, 32, pool), StatusCode::kInvalidArgument);
  }
  values[5] = 1e9F;
  for (const PredictorType type :
       {PredictorType::kF16, PredictorType::kQ8_0, PredictorType::kQ4_0}) {
    EXPECT_STATUS(Quantise(type, values.data(), 2, 32, pool), StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace thermocline

#include "train/input_moments.h"

#include <random>

#include "io/test_files.h"
#include "train/samples_testing.h"

namespace thermocline {
namespace {

using testing::SampleShard;
using testing::TempFolder;

constexpr int64_t kWidth = 24;
const Kernels& kKernels = *SelectKernels("auto");

SampleShard RandomShard(int64_t rows) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  SampleShard shard(kWidth, 3);
  for (int64_t row = 0; row < rows; ++row) {
    std::vector<float> state(kWidth);
    for (size_t c = 0; c < kWidth; ++c) {
      state[c] = F16ToF32(F32ToF16(5 + normal(random) + (c > 0 ? state[c - 1] / 2 : 0)));
    }
    shard.Add(state, {0, 1, 0});
  }
  return shard;
}

TEST(InputMoments, AreThoseOfTheSamples) {
  const TempFolder folder;
  const SampleShard shard = RandomShard(2500);
  const auto samples = SampleReader::Open({folder.Write("0", shard.Bytes())});
  ASSERT_OK(samples);
  ThreadPool pool(2);
  const auto moments = MeasureInputs(*samples, 1 << 20, kKernels, {}, pool);
  ASSERT_OK(moments);
  std::vector<double> mean(kWidth);
  const auto at = [&](size_t row, size_t c) {
    return static_cast<double>(F16ToF32(shard.x[row * kWidth + c]));
  };
  for (size_t row = 0; row < 2500; ++row) {
    for (size_t c = 0; c < kWidth; ++c) mean[c] += at(row, c) / 2500;
  }
  for (size_t i = 0; i < kWidth; ++i) {
    EXPECT_NEAR(moments->mean[i], mean[i], 1e-5);
    for (size_t j = 0; j < kWidth; ++j) {
      double sum = 0;
      for (size_t row = 0; row < 2500; ++row) sum += (at(row, i) - mean[i]) * (at(row, j) - mean[j]);
      EXPECT_NEAR(moments->covariance[i * kWidth + j], sum / 2500, 1e-4);
    }
  }
}

TEST(InputMoments, UseNoMoreRowsThanAllowed) {
  const TempFolder folder;
  const auto samples = SampleReader::Open({folder.Write("0", RandomShard(100).Bytes())});
  ASSERT_OK(samples);
  ThreadPool pool(1);
  const auto one = MeasureInputs(*samples, 1, kKernels, {}, pool);
  ASSERT_OK(one);
  EXPECT_EQ(one->mean[2], F16ToF32(samples->x(0)[2]));
  EXPECT_EQ(one->covariance[0], 0.0F);
}

TEST(InputMoments, NeedSamples) {
  const TempFolder folder;
  const auto samples = SampleReader::Open({folder.Write("0", SampleShard(8, 8).Bytes())});
  ASSERT_OK(samples);
  ThreadPool pool(1);
  EXPECT_STATUS(MeasureInputs(*samples, 10, kKernels, {}, pool), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace thermocline

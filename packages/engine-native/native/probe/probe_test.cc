#include <filesystem>

#include "probe/drive_probe.h"
#include "probe/memory_probe.h"
#include "util/testing.h"

namespace thermocline {
namespace {

TEST(MemoryProbe, RatesArePositive) {
  auto probe = MemoryProbe::Create(8U << 20, nullptr);
  ASSERT_OK(probe);
  for (const int threads : {1, 2, 3}) {
    auto sequential = probe->SequentialRead(threads);
    ASSERT_OK(sequential);
    EXPECT_GT(*sequential, 1e8);
    auto scattered = probe->ScatteredRead(threads, 4096);
    ASSERT_OK(scattered);
    EXPECT_GT(*scattered, 1e7);
  }
}

TEST(MemoryProbe, RefusesWhatItCannotMeasure) {
  EXPECT_STATUS(MemoryProbe::Create(1000, nullptr), StatusCode::kInvalidArgument);
  auto probe = MemoryProbe::Create(1U << 20, nullptr);
  ASSERT_OK(probe);
  EXPECT_STATUS(probe->ScatteredRead(1, 16), StatusCode::kInvalidArgument);
  EXPECT_STATUS(probe->ScatteredRead(1, 1U << 19), StatusCode::kInvalidArgument);
}

TEST(MemoryProbe, CanBeAborted) {
  const std::atomic<bool> cancel{true};
  auto probe = MemoryProbe::Create(1U << 20, &cancel);
  ASSERT_OK(probe);
  EXPECT_STATUS(probe->SequentialRead(1), StatusCode::kAborted);
}

TEST(ThreadSync, TakesTime) {
  for (const int threads : {1, 2}) {
    const double seconds = MeasureThreadSync(threads);
    EXPECT_GT(seconds, 0.0);
    EXPECT_LT(seconds, 0.1);
  }
}

TEST(DriveProbe, LeavesNothingBehindAndNamesTheReason) {
  const std::string folder = std::filesystem::temp_directory_path().string() + "/probe-test";
  std::filesystem::create_directories(folder);
  auto rates = MeasureDrive(folder, 16U << 20, nullptr);
  EXPECT_TRUE(std::filesystem::is_empty(folder));
  std::filesystem::remove_all(folder);
  EXPECT_STATUS(MeasureDrive(folder, 16U << 20, nullptr), StatusCode::kIo);
  EXPECT_STATUS(MeasureDrive(folder, 1U << 20, nullptr), StatusCode::kInvalidArgument);
  if (!rates.ok()) SKIP(rates.status().message());
  EXPECT_GT(rates->sequential, 1e6);
  EXPECT_EQ(rates->random.size(), 5U);
  for (const auto& [block, rate] : rates->random) EXPECT_GT(rate, 1e5);
  EXPECT_GT(rates->latency_seconds, 0.0);
}

TEST(DriveProbe, CanBeAborted) {
  const std::atomic<bool> cancel{true};
  const std::string folder = std::filesystem::temp_directory_path().string();
  const Status status = MeasureDrive(folder, 16U << 20, &cancel).status();
  if (status.code() == StatusCode::kIo) SKIP(status.message());
  EXPECT_TRUE(status.code() == StatusCode::kAborted);
}

}  // namespace
}  // namespace thermocline

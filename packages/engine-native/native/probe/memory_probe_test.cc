#include "probe/memory_probe.h"

#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "util/page_size.h"
#include "util/testing.h"

namespace thermocline {
namespace {

constexpr uint64_t kMiB = 1U << 20;

TEST(MemoryProbe, RatesArePositive) {
  auto probe = MemoryProbe::Create(16 * kMiB, nullptr);
  ASSERT_OK(probe);
  for (const int threads : {1, 2, 3}) {
    auto sequential = probe->SequentialRead(threads);
    ASSERT_OK(sequential);
    EXPECT_GT(*sequential, 1e8);
    for (const uint64_t block : {1024U, 4608U, 65536U}) {
      auto scattered = probe->ScatteredRead(threads, block);
      ASSERT_OK(scattered);
      EXPECT_GT(*scattered, 1e7);
      EXPECT_LT(*scattered, 1e13);
    }
  }
}

TEST(MemoryProbe, RefusesWhatItCannotMeasure) {
  EXPECT_STATUS(MemoryProbe::Create(1000, nullptr), StatusCode::kInvalidArgument);
  auto probe = MemoryProbe::Create(kMiB, nullptr);
  ASSERT_OK(probe);
  EXPECT_STATUS(probe->ScatteredRead(1, 16), StatusCode::kInvalidArgument);
  EXPECT_STATUS(probe->ScatteredRead(1, kMiB / 2), StatusCode::kInvalidArgument);
}

TEST(MemoryProbe, MoreThreadsThanPiecesFindSomethingToRead) {
  auto probe = MemoryProbe::Create(16 * kMiB, nullptr);
  ASSERT_OK(probe);
  EXPECT_OK(probe->SequentialRead(40));
  EXPECT_OK(probe->ScatteredRead(40, 65536));
}

TEST(MemoryProbe, CanBeAborted) {
  const std::atomic<bool> cancel{true};
  auto probe = MemoryProbe::Create(kMiB, &cancel);
  ASSERT_OK(probe);
  EXPECT_STATUS(probe->SequentialRead(1), StatusCode::kAborted);
  EXPECT_STATUS(probe->ScatteredRead(1, 4096), StatusCode::kAborted);
}

// Under an emulator the system tells of the emulator's memory, at other addresses than ours.
bool Emulated() { return std::getenv("THERMOCLINE_EMULATED") != nullptr; }

TEST(HugePages, AreCountedAsTheKernelSays) {
  if (Emulated()) SKIP("the maps of an emulated program are its emulator's");
  auto buffer = HugeBuffer::Allocate(32 * kMiB);
  ASSERT_OK(buffer);
  const auto untouched = HugePageBytes(buffer->data(), buffer->size());
  if (!untouched) SKIP("this system says nothing about huge pages");
  EXPECT_EQ(*untouched, uint64_t{0});  // advised, but none is there yet
  for (uint64_t at = 0; at < buffer->size(); at += 4096) buffer->data()[at] = std::byte{1};
  const auto touched = HugePageBytes(buffer->data(), buffer->size());
  ASSERT_TRUE(touched.has_value());
  EXPECT_LE(*touched, buffer->size());
  EXPECT_EQ(*touched % (2 * kMiB), uint64_t{0});
}

TEST(HugePages, ThoseOfNeighboursAreNotCounted) {
  if (Emulated()) SKIP("the maps of an emulated program are its emulator's");
  std::vector<HugeBuffer> buffers;
  for (int i = 0; i < 4; ++i) {
    auto buffer = HugeBuffer::Allocate(9 * kMiB);
    ASSERT_OK(buffer);
    buffers.push_back(std::move(*buffer));
  }
  std::vector<MemoryRange> touched, untouched;
  for (size_t i = 0; i < buffers.size(); ++i) {
    if (i % 2 == 0) std::memset(buffers[i].data(), 1, buffers[i].size());
    (i % 2 == 0 ? touched : untouched).push_back({buffers[i].data(), buffers[i].size()});
  }
  const auto none = HugePageBytes(untouched);
  if (!none) SKIP("this system says nothing about huge pages");
  const auto some = HugePageBytes(touched);
  ASSERT_TRUE(some.has_value());
  EXPECT_LE(*some, 2 * 9 * kMiB);
  // Mappings that the system has joined are told of together.
  EXPECT_LE(*none, *some);
}

TEST(HugePages, SmallMemoryHasNone) {
  if (Emulated()) SKIP("the maps of an emulated program are its emulator's");
  auto buffer = HugeBuffer::Allocate(64 << 10);
  ASSERT_OK(buffer);
  buffer->data()[0] = std::byte{1};
  const auto huge = HugePageBytes(buffer->data(), buffer->size());
  if (!huge) SKIP("this system says nothing about huge pages");
  EXPECT_EQ(*huge, uint64_t{0});
}

TEST(ThreadSync, TakesTime) {
  for (const int threads : {1, 2}) {
    const double seconds = MeasureThreadSync(threads);
    EXPECT_GT(seconds, 0.0);
    EXPECT_LT(seconds, 0.1);
  }
}

}  // namespace
}  // namespace thermocline

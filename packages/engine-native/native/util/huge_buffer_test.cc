#include "util/huge_buffer.h"

#include <cstdint>
#include <limits>
#include <utility>

#include "util/testing.h"

namespace thermocline {
namespace {

constexpr size_t kMiB = size_t{1} << 20;

TEST(HugeBuffer, ZeroedAlignedAndWritable) {
  for (const size_t bytes : {size_t{1}, size_t{63}, size_t{4096}, size_t{4097}, 2 * kMiB - 1,
                             2 * kMiB, 2 * kMiB + 1, 5 * kMiB}) {
    Result<HugeBuffer> buffer = HugeBuffer::Allocate(bytes);
    ASSERT_OK(buffer);
    EXPECT_EQ(buffer->size(), bytes);
    const size_t alignment = bytes >= 2 * kMiB ? 2 * kMiB : 64;
    EXPECT_EQ(reinterpret_cast<uintptr_t>(buffer->data()) % alignment, 0U);
    bool zero = true;
    for (size_t i = 0; i < bytes; ++i) zero = zero && buffer->data()[i] == std::byte{0};
    EXPECT_TRUE(zero);
    buffer->data()[0] = std::byte{1};
    buffer->data()[bytes - 1] = std::byte{2};
  }
}

TEST(HugeBuffer, NothingIsNothing) {
  Result<HugeBuffer> buffer = HugeBuffer::Allocate(0);
  ASSERT_OK(buffer);
  EXPECT_EQ(buffer->size(), 0U);
  EXPECT_TRUE(buffer->data() == nullptr);
}

TEST(HugeBuffer, RefusalNamesTheBytes) {
  for (const size_t bytes : {std::numeric_limits<size_t>::max(),
                             std::numeric_limits<size_t>::max() - kMiB,
                             std::numeric_limits<size_t>::max() / 2, size_t{1} << 60}) {
    const Result<HugeBuffer> buffer = HugeBuffer::Allocate(bytes);
    EXPECT_STATUS(buffer, StatusCode::kOutOfMemory);
    EXPECT_TRUE(buffer.status().message().find(std::to_string(bytes)) != std::string::npos);
  }
}

TEST(HugeBuffer, MovesItsMemory) {
  Result<HugeBuffer> made = HugeBuffer::Allocate(100);
  ASSERT_OK(made);
  HugeBuffer a = std::move(made).value();
  std::byte* const data = a.data();
  HugeBuffer b = std::move(a);
  EXPECT_TRUE(b.data() == data);
  HugeBuffer c;
  c = std::move(b);
  EXPECT_TRUE(c.data() == data);
  EXPECT_EQ(c.size(), 100U);
}

}  // namespace
}  // namespace thermocline

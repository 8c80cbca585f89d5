// In which pages memory really lies: being advised to use huge ones, a system may still not.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace thermocline {

struct MemoryRange {
  const void* data = nullptr;
  uint64_t bytes = 0;
};

// Bytes of these ranges, which do not overlap, that lie in huge pages now, as the kernel's own
// account of this process says; none where it gives no account.
std::optional<uint64_t> HugePageBytes(std::span<const MemoryRange> ranges);
std::optional<uint64_t> HugePageBytes(const void* data, uint64_t bytes);

}  // namespace thermocline

#include "util/page_size.h"

#include <algorithm>
#include <cstdio>

namespace thermocline {

namespace {

// Bytes of the ranges that lie in [from, to).
uint64_t BytesWithin(std::span<const MemoryRange> ranges, uint64_t from, uint64_t to) {
  uint64_t bytes = 0;
  for (const MemoryRange& range : ranges) {
    const uint64_t begin = reinterpret_cast<uintptr_t>(range.data);
    const uint64_t end = begin + range.bytes;
    if (from < end && begin < to) bytes += std::min(to, end) - std::max(from, begin);
  }
  return bytes;
}

}  // namespace

std::optional<uint64_t> HugePageBytes(std::span<const MemoryRange> ranges) {
  std::FILE* const file = std::fopen("/proc/self/smaps", "r");
  if (file == nullptr) return std::nullopt;
  char line[512];
  unsigned long long from = 0, to = 0, first = 0, second = 0, kib = 0;
  uint64_t huge = 0;
  bool found = false;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    // A mapping's first line is its range; lines about it follow, all of which begin in capitals.
    // (Some of those begin like a number: "AnonHugePages" is A to a reader of hexadecimals.)
    if (std::sscanf(line, "%llx-%llx ", &first, &second) == 2) {
      from = first;
      to = second;
      continue;
    }
    if (std::sscanf(line, "AnonHugePages: %llu kB", &kib) != 1) continue;
    // The system may have joined a mapping with its neighbours.
    const uint64_t ours = BytesWithin(ranges, from, to);
    if (ours == 0) continue;
    found = true;
    huge += std::min<uint64_t>(kib * 1024, ours);
  }
  std::fclose(file);
  if (!found) return std::nullopt;
  return huge;
}

std::optional<uint64_t> HugePageBytes(const void* data, uint64_t bytes) {
  const MemoryRange range = {data, bytes};
  return HugePageBytes(std::span(&range, 1));
}

}  // namespace thermocline

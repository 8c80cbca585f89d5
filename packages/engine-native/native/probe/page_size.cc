#include "probe/page_size.h"

#include <algorithm>
#include <cstdio>

namespace thermocline {

std::optional<uint64_t> HugePageBytes(const void* data, uint64_t bytes) {
  std::FILE* const file = std::fopen("/proc/self/smaps", "r");
  if (file == nullptr) return std::nullopt;
  const uint64_t begin = reinterpret_cast<uintptr_t>(data);
  const uint64_t end = begin + bytes;
  char line[512];
  unsigned long long from = 0, to = 0, kib = 0;
  uint64_t huge = 0;
  bool found = false;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    // A mapping's first line is its range; lines about it follow, all of which begin in capitals.
    if (std::sscanf(line, "%llx-%llx ", &from, &to) == 2) continue;
    if (from >= end || to <= begin) continue;
    if (std::sscanf(line, "AnonHugePages: %llu kB", &kib) != 1) continue;
    found = true;
    // The system may have joined the mapping with its neighbours.
    const uint64_t ours = std::min<uint64_t>(to, end) - std::max<uint64_t>(from, begin);
    huge += std::min<uint64_t>(kib * 1024, ours);
  }
  std::fclose(file);
  if (!found) return std::nullopt;
  return huge;
}

}  // namespace thermocline

#include "util/system_memory.h"

#include <cstdio>

namespace thermocline {

uint64_t AvailableMemoryBytes() {
  std::FILE* file = std::fopen("/proc/meminfo", "r");
  if (file == nullptr) return 0;
  char line[128];
  unsigned long long kib = 0;
  while (std::fgets(line, sizeof line, file) != nullptr) {
    if (std::sscanf(line, "MemAvailable: %llu kB", &kib) == 1) break;
  }
  std::fclose(file);
  return static_cast<uint64_t>(kib) * 1024;
}

Status RequireMemory(uint64_t bytes, const std::string& what) {
  const uint64_t available = AvailableMemoryBytes();
  if (available == 0 || bytes <= available) return Status::Ok();
  return Status(StatusCode::kOutOfMemory, what + " needs " + std::to_string(bytes) +
                                              " bytes, the system has " +
                                              std::to_string(available) + " bytes available");
}

}  // namespace thermocline

// What the system says it can still hand out.
#pragma once

#include <cstdint>
#include <string>

#include "util/status.h"

namespace thermocline {

// Bytes available without swapping; 0 when the system does not say.
uint64_t AvailableMemoryBytes();

// kOutOfMemory with the numbers when `bytes` are more than that; `what` begins the sentence.
// Ok when the system does not say.
Status RequireMemory(uint64_t bytes, const std::string& what);

}  // namespace thermocline

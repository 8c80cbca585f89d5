// What the system says it can still hand out.
#pragma once

#include <cstdint>

namespace thermocline {

// Bytes available without swapping; 0 when the system does not say.
uint64_t AvailableMemoryBytes();

}  // namespace thermocline

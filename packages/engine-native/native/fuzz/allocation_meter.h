// Counts every byte that this process asks of the heap.
#pragma once

#include <cstdint>

namespace thermocline::fuzz {

// Starts counting from zero; AllocatedBytes() is the sum of all requests since, those
// that were freed again included.
void ResetAllocatedBytes();
uint64_t AllocatedBytes();

}  // namespace thermocline::fuzz

// Loops that read memory as fast as one thread of this processor can, each in a way of its own:
// which is the fastest differs from machine to machine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace thermocline {

// Reads `bytes`, a multiple of 256, and returns something that depends on all of them.
using ReadLoop = uint64_t (*)(const std::byte* data, uint64_t bytes);

// Those that this processor can run; never empty.
std::vector<ReadLoop> ReadLoops();

}  // namespace thermocline

// Loops that multiply and add as fast as one thread of this processor can: the other roof.
#pragma once

#include <cstdint>

namespace thermocline {

// Runs `steps` turns; `operations` are those of one turn, a multiplication and an addition being
// two. `run` is null where there is no such loop for this processor.
struct PeakLoop {
  float (*run)(int64_t steps) = nullptr;
  int64_t operations = 0;
};

// Fused multiply-adds of floats.
PeakLoop FloatPeak();
// Products of bytes, summed in 32 bits.
PeakLoop BytePeak();
// Products of BF16 numbers, summed in F32.
PeakLoop Bf16Peak();

}  // namespace thermocline

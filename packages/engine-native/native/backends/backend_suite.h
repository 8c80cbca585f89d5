// What every kernel set must satisfy, against the scalar reference and against a
// double-precision evaluation. A set's test is one call; buffers are exact, so that a
// sanitizer sees every read past an end.
#pragma once

#include "backends/kernels.h"

namespace thermocline {

// Runs all checks, recording failures with the running test (util/testing.h).
void CheckKernels(const Kernels& kernels);

// The groups that CheckKernels is made of.
void CheckMatmul(const Kernels& kernels);
void CheckNeurons(const Kernels& kernels);
void CheckElementwise(const Kernels& kernels);
void CheckAttention(const Kernels& kernels);

}  // namespace thermocline

// Signs that agree. The counts are integers, so every set has the same bits. Included after an
// instruction set's vector.h.
#pragma once

#include "backends/cpu/simd.h"

namespace thermocline {
namespace {

// Two counts side by side: one would wait for the instruction before.
TC_INLINE void ScoreSigns(const uint64_t* rows, int64_t n, int64_t words, int64_t columns,
                          const uint64_t* x, float* scores) {
  for (int64_t i = 0; i < n; ++i, rows += words) {
    int64_t even = 0;
    int64_t odd = 0;
    int64_t w = 0;
    for (; w + 2 <= words; w += 2) {
      even += __builtin_popcountll(rows[w] ^ x[w]);
      odd += __builtin_popcountll(rows[w + 1] ^ x[w + 1]);
    }
    if (w < words) even += __builtin_popcountll(rows[w] ^ x[w]);
    scores[i] = static_cast<float>(columns - 2 * (even + odd));
  }
}

}  // namespace
}  // namespace thermocline

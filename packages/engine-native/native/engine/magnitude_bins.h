// The bins that magnitudes of activations are counted in: eight per octave from 2^-24 to
// 2^8, with open ends, as magnitudeBinStart in the contracts says.
#pragma once

#include <cstdint>

namespace thermocline {

constexpr int kMagnitudeBins = 256;

// Where the bins within an octave begin, as mantissas: (2^(k/8) - 1) * 2^23 rounded up, for k = 1
// to 7. No F32 lies on such a border, since 2^(k/8) is irrational.
constexpr int32_t kBinMantissas[7] = {759234,  1587185, 2490071, 3474676,
                                      4548395, 5719293, 6996167};

// The bin of a magnitude, given as the bits of a non-negative F32. No branches and no tables, so
// that compilers turn a loop over it into vector code.
inline int32_t MagnitudeBin(int32_t bits) {
  constexpr int32_t kLowest = (127 - 24) << 23;      // 2^-24
  constexpr int32_t kHighest = ((127 + 8) << 23) - 1;  // just below 2^8
  const int32_t at_least = bits < kLowest ? kLowest : bits;
  const int32_t offset = (at_least > kHighest ? kHighest : at_least) - kLowest;
  const int32_t mantissa = offset & 0x7FFFFF;
  // -1 where the mantissa is at or past a border. By subtraction, because compilers make long
  // chains of masks of seven comparisons.
  const auto past = [mantissa](int k) { return (kBinMantissas[k] - 1 - mantissa) >> 31; };
  return (offset >> 23 << 3) - (past(0) + past(1) + past(2) + past(3) + past(4) + past(5) + past(6));
}

}  // namespace thermocline

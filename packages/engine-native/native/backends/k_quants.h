// Superblocks of 256 weights: Q4_K, Q5_K and Q6_K, taken apart as model files hold them and put
// together as kernels read them.
//
// A superblock has an F16 scale d. Q4_K and Q5_K: blocks of 32 with a 6-bit scale and a 6-bit
// minimum each, and an F16 scale dmin of the minima; a weight is d * scale * q - dmin * min, with
// q from 0 to 15 or 31. Q6_K: blocks of 16 with an int8 scale each; d * scale * (q - 32).
#pragma once

#include <cstddef>
#include <cstdint>

#include "util/dtype.h"

namespace thermocline {

constexpr int64_t kSuperblock = 256;

struct Superblock {
  uint16_t d = 0, dmin = 0;         // F16; Q6_K has no dmin
  // Of a block of 32, first its scale, then its minimum: 0 to 63. Q6_K: the scales of its two
  // halves, int8.
  uint8_t first[8], second[8];
  uint8_t q[kSuperblock];           // 0 to 15, 31 or 63, in order of the elements
};

// Reads one from BlockBytes(type) bytes of a file. REQUIRES: a K-quant.
void ReadSuperblock(DType type, const std::byte* file, Superblock* out);

// Bytes of a superblock in a RowMatrix or in a NeuronMatrix: 6-bit scales and minima take a byte.
constexpr int64_t SuperblockBytes(DType type) {
  return type == DType::kQ6_K ? 210 : BlockBytes(type) + 4;
}

// As PackRows in layout.h; kernels.h has the layout of a RowMatrix.
void PackKRows(DType type, const std::byte* file_rows, int64_t n, int64_t cols, std::byte* out);

}  // namespace thermocline

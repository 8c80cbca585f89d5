// Random superblocks of K-quants as files hold them, and the suite's independent word on what they
// mean: element by element, where k_quants.cc goes byte by byte.
#pragma once

#include <cstdint>
#include <cstring>

#include "util/dtype.h"
#include "util/f16.h"

namespace thermocline::suite {

// Any bits are valid quants and scales; `scale` becomes d, and dmin where there is one.
template <typename Random>
void FillSuperblock(DType type, float scale, Random& random, std::byte* block) {
  for (int64_t b = 0; b < BlockBytes(type); ++b) block[b] = static_cast<std::byte>(random.Below(256));
  const uint16_t d = F32ToF16(scale);
  const uint16_t dmin = F32ToF16(scale * 4 + 0.0001F);
  std::memcpy(block + (type == DType::kQ6_K ? 208 : 0), &d, 2);
  if (type != DType::kQ6_K) std::memcpy(block + 2, &dmin, 2);
}

// Element i of a superblock.
inline double SuperblockElement(DType type, const std::byte* block, int64_t i) {
  const auto byte = [&](int64_t at) { return std::to_integer<int>(block[at]); };
  const auto half = [&](int64_t at) {
    return static_cast<double>(F16ToF32(static_cast<uint16_t>(byte(at) | byte(at + 1) << 8)));
  };
  if (type == DType::kQ6_K) {
    const int64_t half_at = i / 128, in_half = i % 128;
    const int pair = byte(64 * half_at + in_half % 64);
    const int high = byte(128 + 32 * half_at + in_half % 32) >> (in_half / 32 * 2) & 3;
    const int q = (in_half < 64 ? pair & 15 : pair >> 4) | high << 4;
    return half(208) * static_cast<int8_t>(byte(192 + i / 16)) * (q - 32);
  }
  const int64_t j = i / 32;
  const int scale = j < 4 ? byte(4 + j) & 63 : (byte(8 + j) & 15) | byte(j) >> 6 << 4;
  const int min = j < 4 ? byte(8 + j) & 63 : byte(8 + j) >> 4 | byte(4 + j) >> 6 << 4;
  const int64_t quants = type == DType::kQ5_K ? 48 : 16;
  const int pair = byte(quants + i / 64 * 32 + i % 32);
  int q = i % 64 < 32 ? pair & 15 : pair >> 4;
  if (type == DType::kQ5_K) q += (byte(16 + i % 32) >> j & 1) * 16;
  return half(0) * scale * q - half(2) * min;
}

}  // namespace thermocline::suite

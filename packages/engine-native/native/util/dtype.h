// Element types of weights, activations and KV entries.
#pragma once

#include <cstddef>
#include <cstdint>

namespace thermocline {

enum class DType : uint8_t { kF32, kF16, kBF16, kQ8_0, kQ4_0, kQ4_K, kQ5_K, kQ6_K };

// The K-quants: superblocks of 256 whose scales are quantised themselves.
constexpr bool IsKQuant(DType type) {
  return type == DType::kQ4_K || type == DType::kQ5_K || type == DType::kQ6_K;
}

// Elements per quantisation block (1 for plain types). Q8_0 and Q4_0 share an
// F16 scale among 32 consecutive elements.
constexpr int64_t BlockElements(DType type) {
  if (IsKQuant(type)) return 256;
  return type == DType::kQ8_0 || type == DType::kQ4_0 ? 32 : 1;
}

// Bytes per block as stored in files.
constexpr int64_t BlockBytes(DType type) {
  switch (type) {
    case DType::kF32: return 4;
    case DType::kF16: return 2;
    case DType::kBF16: return 2;
    case DType::kQ8_0: return 34;
    case DType::kQ4_0: return 18;
    case DType::kQ4_K: return 144;
    case DType::kQ5_K: return 176;
    case DType::kQ6_K: return 210;
  }
  return 0;
}

constexpr const char* DTypeName(DType type) {
  switch (type) {
    case DType::kF32: return "F32";
    case DType::kF16: return "F16";
    case DType::kBF16: return "BF16";
    case DType::kQ8_0: return "Q8_0";
    case DType::kQ4_0: return "Q4_0";
    case DType::kQ4_K: return "Q4_K";
    case DType::kQ5_K: return "Q5_K";
    case DType::kQ6_K: return "Q6_K";
  }
  return "?";
}

}  // namespace thermocline

// Which tokens co-activation sketches keep: the same numbers as tokenHash in the
// contracts, bit for bit.
#pragma once

#include <cstdint>

namespace thermocline {

constexpr int64_t kSketchHashes = 16;           // kept per neuron
constexpr uint32_t kSketchEmpty = 0xFFFFFFFF;   // fills up a sketch; no token has it

// The finalizer of MurmurHash3, modulo 2^32.
inline uint32_t MixHash(uint32_t value) {
  uint32_t h = value + 0x9E3779B9U;
  h = (h ^ (h >> 16)) * 0x85EBCA6BU;
  h = (h ^ (h >> 13)) * 0xC2B2AE35U;
  return h ^ (h >> 16);
}

inline uint32_t TokenHash(uint32_t salt, uint32_t document, uint32_t position) {
  const uint32_t hash = MixHash(MixHash(MixHash(salt) ^ document) ^ position);
  return hash == kSketchEmpty ? kSketchEmpty - 1 : hash;
}

}  // namespace thermocline

#include "backends/k_quants.h"

#include <cstring>

namespace thermocline {
namespace {

constexpr int64_t kBlocks = 8;  // of 32, in a superblock

uint8_t Byte(const std::byte* p, int64_t i) { return std::to_integer<uint8_t>(p[i]); }

// Twelve bytes hold eight scales and eight minima of 6 bits. The first four of each lie in the low
// bits of bytes 0 to 7; the others have their low four bits in bytes 8 to 11 and the high two in
// the top of bytes 0 to 7.
void ReadScales(const std::byte* p, Superblock* out) {
  for (int64_t j = 0; j < 4; ++j) {
    out->first[j] = Byte(p, j) & 63;
    out->second[j] = Byte(p, j + 4) & 63;
    out->first[j + 4] = static_cast<uint8_t>((Byte(p, j + 8) & 15) | (Byte(p, j) >> 6 << 4));
    out->second[j + 4] = static_cast<uint8_t>((Byte(p, j + 8) >> 4) | (Byte(p, j + 4) >> 6 << 4));
  }
}

// Per 64 elements 32 bytes: the low nibbles are the first 32.
void ReadNibbles(const std::byte* p, uint8_t* q) {
  for (int64_t j = 0; j < kSuperblock / 64; ++j, p += 32, q += 64) {
    for (int64_t i = 0; i < 32; ++i) {
      q[i] = Byte(p, i) & 15;
      q[i + 32] = Byte(p, i) >> 4;
    }
  }
}

// Bit k of byte i is the fifth bit of element i of the k-th block.
void AddFifthBits(const std::byte* p, uint8_t* q) {
  for (int64_t k = 0; k < kBlocks; ++k, q += 32) {
    for (int64_t i = 0; i < 32; ++i) q[i] |= static_cast<uint8_t>((Byte(p, i) >> k & 1) << 4);
  }
}

// Two halves of 128 elements. Of each, 64 bytes hold the low nibbles: those of elements 0 to 63
// low, of 64 to 127 high; and byte i of 32 holds the top two bits of elements i, i + 32, ...
void ReadSixBits(const std::byte* low, const std::byte* high, uint8_t* q) {
  for (int64_t half = 0; half < 2; ++half, low += 64, high += 32, q += 128) {
    for (int64_t i = 0; i < 64; ++i) {
      q[i] = Byte(low, i) & 15;
      q[i + 64] = Byte(low, i) >> 4;
    }
    for (int64_t i = 0; i < 128; ++i) {
      q[i] |= static_cast<uint8_t>((Byte(high, i % 32) >> (i / 32 * 2) & 3) << 4);
    }
  }
}

void Put(uint8_t value, std::byte* to) { *to = std::byte{value}; }

void Put16(uint16_t value, std::byte* to) { std::memcpy(to, &value, sizeof value); }

// What a lane holds of its block: 16 bytes of nibbles, and the higher bits.
void PackNibbles(const uint8_t* q, int64_t lane, int64_t n, std::byte* out) {
  for (int64_t i = 0; i < 16; ++i) {
    Put(static_cast<uint8_t>((q[i] & 15) | (q[i + 16] << 4)), out + (i / 4 * n + lane) * 4 + i % 4);
  }
}

// Bit v of byte k is the fifth bit of element 4 v + k.
void PackFifthBits(const uint8_t* q, int64_t lane, std::byte* out) {
  for (int64_t k = 0; k < 4; ++k) {
    int bits = 0;
    for (int64_t v = 0; v < 8; ++v) bits |= (q[4 * v + k] >> 4 & 1) << v;
    Put(static_cast<uint8_t>(bits), out + lane * 4 + k);
  }
}

// Of each half of the block, bits 2 v and 2 v + 1 of byte k are the top bits of element 4 v + k.
void PackTopBits(const uint8_t* q, int64_t lane, int64_t n, std::byte* out) {
  for (int64_t half = 0; half < 2; ++half, q += 16, out += 4 * n) {
    for (int64_t k = 0; k < 4; ++k) {
      int bits = 0;
      for (int64_t v = 0; v < 4; ++v) bits |= (q[4 * v + k] >> 4) << (2 * v);
      Put(static_cast<uint8_t>(bits), out + lane * 4 + k);
    }
  }
}

// One panel of n lanes: one superblock, or two.
void PackPanel(DType type, const std::byte* file, int64_t n, std::byte* out) {
  const int64_t superblocks = n / kBlocks;
  const int64_t scales = superblocks * (type == DType::kQ6_K ? 2 : 4);
  std::byte* const first = out + scales;
  std::byte* const quants = first + 2 * n;
  std::byte* const high = quants + 16 * n;
  for (int64_t s = 0; s < superblocks; ++s) {
    Superblock block;
    ReadSuperblock(type, file + s * BlockBytes(type), &block);
    Put16(block.d, out + 2 * s);
    if (type != DType::kQ6_K) Put16(block.dmin, out + 2 * (superblocks + s));
    for (int64_t b = 0; b < kBlocks; ++b) {
      const int64_t lane = s * kBlocks + b;
      const uint8_t* const q = block.q + 32 * b;
      Put(block.first[b], first + lane);
      Put(block.second[b], first + n + lane);
      PackNibbles(q, lane, n, quants);
      if (type == DType::kQ5_K) PackFifthBits(q, lane, high);
      if (type == DType::kQ6_K) PackTopBits(q, lane, n, high);
    }
  }
}

}  // namespace

void ReadSuperblock(DType type, const std::byte* file, Superblock* out) {
  if (type == DType::kQ6_K) {
    ReadSixBits(file, file + 128, out->q);
    for (int64_t b = 0; b < kBlocks; ++b) {
      out->first[b] = Byte(file, 192 + 2 * b);
      out->second[b] = Byte(file, 193 + 2 * b);
    }
    std::memcpy(&out->d, file + 208, sizeof out->d);
    return;
  }
  std::memcpy(&out->d, file, sizeof out->d);
  std::memcpy(&out->dmin, file + 2, sizeof out->dmin);
  ReadScales(file + 4, out);
  const bool five = type == DType::kQ5_K;
  ReadNibbles(file + (five ? 48 : 16), out->q);
  if (five) AddFifthBits(file + 16, out->q);
}

void PackKRows(DType type, const std::byte* file_rows, int64_t n, int64_t cols, std::byte* out) {
  // Rows are whole superblocks; only at the end of each may a panel have one instead of two.
  for (int64_t row = 0; row < n; ++row) {
    for (int64_t left = cols / kSuperblock; left > 0;) {
      const int64_t superblocks = left > 1 ? 2 : 1;
      PackPanel(type, file_rows, superblocks * kBlocks, out);
      file_rows += superblocks * BlockBytes(type);
      out += superblocks * SuperblockBytes(type);
      left -= superblocks;
    }
  }
}

}  // namespace thermocline

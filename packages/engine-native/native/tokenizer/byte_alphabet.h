// Byte-level BPE vocabularies spell bytes as visible characters: printable bytes
// of Latin-1 as themselves, the other 68 as U+0100 and up in ascending order.
#pragma once

#include <array>
#include <cstdint>

namespace thermocline {

constexpr bool IsSpelledAsItself(uint32_t byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte <= 0xAC) ||
         (byte >= 0xAE && byte <= 0xFF);
}

constexpr std::array<uint16_t, 256> MakeByteSpelling() {
  std::array<uint16_t, 256> spelling{};
  uint16_t next = 0x100;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    spelling[byte] = IsSpelledAsItself(byte) ? static_cast<uint16_t>(byte) : next++;
  }
  return spelling;
}

// [byte] -> code point
constexpr std::array<uint16_t, 256> kByteSpelling = MakeByteSpelling();

constexpr std::array<int16_t, 0x144> MakeSpelledByte() {
  std::array<int16_t, 0x144> bytes{};
  for (auto& byte : bytes) byte = -1;
  for (uint32_t byte = 0; byte < 256; ++byte) {
    bytes[kByteSpelling[byte]] = static_cast<int16_t>(byte);
  }
  return bytes;
}

// [code point] -> byte, -1 for a code point that spells none
constexpr std::array<int16_t, 0x144> kSpelledByte = MakeSpelledByte();

}  // namespace thermocline

#include "tokenizer/unicode.h"

#include <algorithm>

namespace thermocline {
namespace {

// Most text is ASCII, and a table spares it the search.
constexpr std::array<uint8_t, 128> MakeAsciiClasses() {
  std::array<uint8_t, 128> classes{};
  for (size_t i = 0; i < 128; ++i) {
    const char c = static_cast<char>(i);
    unsigned bits = static_cast<unsigned>(CharClass::kOther);
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
      bits = kLetters;
    } else if (c >= '0' && c <= '9') {
      bits = kNumbers;
    } else if (c == ' ' || (c >= '\t' && c <= '\r')) {
      bits = kSpaces;
    } else if (std::string_view("$+<=>^`|~").find(c) != std::string_view::npos) {
      bits = kSymbols;
    } else if (c > ' ' && c < '\x7F') {
      bits = kPunctuation;
    }
    classes[i] = static_cast<uint8_t>(bits);
  }
  return classes;
}
constexpr std::array<uint8_t, 128> kAsciiClasses = MakeAsciiClasses();

// The range of the second byte, which rules out overlong forms, surrogates and
// code points above U+10FFFF; the third and fourth are always 80..BF.
struct Lead {
  uint32_t length;  // 0: no character starts with this byte
  unsigned char low, high;
};

Lead LeadOf(unsigned char byte) {
  if (byte >= 0xC2 && byte <= 0xDF) return {2, 0x80, 0xBF};
  if (byte == 0xE0) return {3, 0xA0, 0xBF};
  if (byte == 0xED) return {3, 0x80, 0x9F};
  if (byte >= 0xE1 && byte <= 0xEF) return {3, 0x80, 0xBF};
  if (byte == 0xF0) return {4, 0x90, 0xBF};
  if (byte >= 0xF1 && byte <= 0xF3) return {4, 0x80, 0xBF};
  if (byte == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

Char CharAt(std::string_view text, size_t at) {
  const auto first = static_cast<unsigned char>(text[at]);
  if (first < 0x80) return {first, 1, true, false};
  const Lead lead = LeadOf(first);
  if (lead.length == 0) return {kReplacementChar, 1, false, false};

  uint32_t code = first & (0xFFU >> (lead.length + 1));
  for (uint32_t i = 1; i < lead.length; ++i) {
    if (at + i >= text.size()) return {kReplacementChar, i, false, true};
    const auto byte = static_cast<unsigned char>(text[at + i]);
    const unsigned char low = i == 1 ? lead.low : 0x80;
    const unsigned char high = i == 1 ? lead.high : 0xBF;
    if (byte < low || byte > high) return {kReplacementChar, i, false, false};
    code = (code << 6) | (byte & 0x3FU);
  }
  return {code, lead.length, true, false};
}

unsigned ClassBits(uint32_t code) {
  if (code < 128) return kAsciiClasses[code];
  const std::span<const ClassRun> runs = ClassRuns();
  const auto after =
      std::upper_bound(runs.begin(), runs.end(), code,
                       [](uint32_t c, const ClassRun& run) { return c < run.start; });
  return static_cast<unsigned>(std::prev(after)->char_class);
}

void AppendUtf8(uint32_t code, std::string* out) {
  const auto put = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

size_t SkipWhile(std::string_view text, size_t at, unsigned classes) {
  while (at < text.size()) {
    const Char c = CharAt(text, at);
    if ((ClassBits(c.code) & classes) == 0) break;
    at += c.length;
  }
  return at;
}

}  // namespace thermocline

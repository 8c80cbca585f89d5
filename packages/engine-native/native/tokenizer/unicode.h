// Code points in UTF-8 text, and the classes that pre-tokenizers tell apart.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace thermocline {

// One class per code point, as bits so that several can be asked for at once.
// kSpace is the White_Space property; the others are general categories.
enum class CharClass : uint8_t {
  kLetter = 1,
  kNumber = 2,
  kMark = 4,
  kPunctuation = 8,
  kSymbol = 16,
  kSpace = 32,
  kOther = 64,
};

constexpr unsigned kLetters = static_cast<unsigned>(CharClass::kLetter);
constexpr unsigned kNumbers = static_cast<unsigned>(CharClass::kNumber);
constexpr unsigned kMarks = static_cast<unsigned>(CharClass::kMark);
constexpr unsigned kPunctuation = static_cast<unsigned>(CharClass::kPunctuation);
constexpr unsigned kSymbols = static_cast<unsigned>(CharClass::kSymbol);
constexpr unsigned kSpaces = static_cast<unsigned>(CharClass::kSpace);
constexpr unsigned kAnyClass = 127;

// Where a run of code points of one class starts.
struct ClassRun {
  uint32_t start;
  CharClass char_class;
};
std::span<const ClassRun> ClassRuns();  // ascending, the first starts at 0

constexpr uint32_t kReplacementChar = 0xFFFD;

// One character of a text. Bytes that are not UTF-8 stand as U+FFFD, one
// maximal well-formed beginning (at least one byte) at a time.
struct Char {
  uint32_t code;
  uint32_t length;  // bytes
  bool valid;
  bool cut_off;  // invalid only because the text ends inside the character
};

// REQUIRES: at < text.size().
Char CharAt(std::string_view text, size_t at);

unsigned ClassBits(uint32_t code);  // a CharClass as bits

void AppendUtf8(uint32_t code, std::string* out);

// The position after the longest run from `at` of characters in `classes`.
size_t SkipWhile(std::string_view text, size_t at, unsigned classes);

}  // namespace thermocline

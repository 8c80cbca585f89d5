#include "tokenizer/unicode.h"

#include "tokenizer/test_vocabularies.h"
#include "tokenizer/tokenizer.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::Random;

std::string Stream(std::string_view bytes, size_t step) {
  Utf8Stream stream;
  std::string out;
  for (size_t at = 0; at < bytes.size(); at += step) out += stream.Push(bytes.substr(at, step));
  return out + stream.Flush();
}

bool IsValidUtf8(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Char c = CharAt(text, at);
    if (!c.valid) return false;
    at += c.length;
  }
  return true;
}

TEST(Unicode, EveryCodePointSurvivesEncodingAndDecoding) {
  size_t wrong = 0;
  for (uint32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    AppendUtf8(code, &text);
    const Char c = CharAt(text, 0);
    if (c.code != code || c.length != text.size() || !c.valid) ++wrong;
  }
  EXPECT_EQ(wrong, 0U);
}

TEST(Unicode, ClassesFollowTheGeneralCategories) {
  EXPECT_EQ(ClassBits('a'), kLetters);
  EXPECT_EQ(ClassBits(0x00E9), kLetters);
  EXPECT_EQ(ClassBits(0x4E2D), kLetters);
  EXPECT_EQ(ClassBits('7'), kNumbers);
  EXPECT_EQ(ClassBits(0x00BD), kNumbers);  // one half
  EXPECT_EQ(ClassBits(0x0301), kMarks);
  EXPECT_EQ(ClassBits('_'), kPunctuation);
  EXPECT_EQ(ClassBits('$'), kSymbols);
  EXPECT_EQ(ClassBits(0x1F999), kSymbols);
  EXPECT_EQ(ClassBits(0x0085), kSpaces);
  EXPECT_EQ(ClassBits(0x3000), kSpaces);
  EXPECT_EQ(ClassBits(0x200B), kAnyClass & ~63U);  // zero width "space" is none
  EXPECT_EQ(ClassBits(0x10FFFF), kAnyClass & ~63U);
}

// The table for ASCII is written by hand, the other comes from the database.
TEST(Unicode, AsciiAgreesWithTheGeneratedTable) {
  const std::span<const ClassRun> runs = ClassRuns();
  for (uint32_t code = 0; code < 128; ++code) {
    size_t run = 0;
    while (run + 1 < runs.size() && runs[run + 1].start <= code) ++run;
    EXPECT_EQ(ClassBits(code), static_cast<unsigned>(runs[run].char_class));
  }
}

TEST(Utf8Stream, HoldsBackHalfACharacter) {
  Utf8Stream stream;
  EXPECT_EQ(stream.Push("a\xF0\x9F"), "a");
  EXPECT_EQ(stream.Push("\xA6"), "");
  EXPECT_EQ(stream.Push("\x99!"), "🦙!");
  EXPECT_EQ(stream.Push("\xE4\xB8"), "");
  EXPECT_EQ(stream.Flush(), "\xEF\xBF\xBD");
  EXPECT_EQ(stream.Flush(), "");
}

TEST(Utf8Stream, ReplacesEachMaximalMalformedPart) {
  EXPECT_EQ(Stream("\x80", 1), "\xEF\xBF\xBD");
  EXPECT_EQ(Stream("\xF0\x9F\xA6x", 1), "\xEF\xBF\xBDx");        // three bytes begun together: one
  EXPECT_EQ(Stream("\xE0\x80", 1), "\xEF\xBF\xBD\xEF\xBF\xBD");  // overlong: two
  EXPECT_EQ(Stream("\xED\xA0\x80", 1), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");  // surrogate
  EXPECT_EQ(Stream("\xF5\x80", 1), "\xEF\xBF\xBD\xEF\xBF\xBD");                  // above U+10FFFF
  EXPECT_EQ(Stream("\xC3(", 1), "\xEF\xBF\xBD(");
}

TEST(Utf8Stream, CutsDoNotMatter) {
  Random random(1);
  for (int round = 0; round < 2000; ++round) {
    const std::string bytes =
        round % 2 == 0 ? testing::RandomBytes(random, 40) : testing::RandomText(random, 20);
    const std::string whole = Stream(bytes, bytes.size() + 1);
    EXPECT_EQ(Stream(bytes, 1), whole);
    EXPECT_EQ(Stream(bytes, 3), whole);
    EXPECT_TRUE(IsValidUtf8(whole));
    if (round % 2 == 1) EXPECT_EQ(whole, bytes);
  }
}

}  // namespace
}  // namespace thermocline

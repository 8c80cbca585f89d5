#include "engine/text_stream.h"

#include "util/testing.h"

namespace thermocline {
namespace {

TEST(TextStream, HoldsBackHalfACharacter) {
  TextStream stream({});
  EXPECT_EQ(stream.Push("a\xF0\x9F"), std::string("a"));
  EXPECT_EQ(stream.Push("\x98"), std::string());
  EXPECT_EQ(stream.Push("\x80 b"), std::string("\xF0\x9F\x98\x80 b"));
  EXPECT_EQ(stream.Push("\xE2"), std::string());
  EXPECT_EQ(stream.Flush(), std::string("\xEF\xBF\xBD"));
}

TEST(TextStream, HoldsBackWhatMayBecomeAStop) {
  TextStream stream({"</end>", "STOP"});
  EXPECT_EQ(stream.Push("go </e"), std::string("go "));
  EXPECT_EQ(stream.Push("x> S"), std::string("</ex> "));
  EXPECT_EQ(stream.Push("TO"), std::string());
  EXPECT_EQ(stream.Push("P and more"), std::string());
  EXPECT_TRUE(stream.stopped());
  EXPECT_EQ(stream.Push("more"), std::string());
  EXPECT_EQ(stream.Flush(), std::string());
}

TEST(TextStream, StopsAtTheFirstOfSeveral) {
  TextStream stream({"bb", "abb"});
  EXPECT_EQ(stream.Push("xxabbyy"), std::string("xx"));
  EXPECT_TRUE(stream.stopped());
}

TEST(TextStream, LetsGoOfWhatWasNoStop) {
  TextStream stream({"stop"});
  EXPECT_EQ(stream.Push("sto"), std::string());
  EXPECT_EQ(stream.Flush(), std::string("sto"));
}

}  // namespace
}  // namespace thermocline

#include "io/json.h"

#include "io/text.h"
#include "util/testing.h"

namespace thermocline {
namespace {

Result<std::unique_ptr<JsonDocument>> Parse(std::string text) {
  return JsonDocument::Parse(std::move(text), StatusCode::kModelCorrupt);
}

TEST(Json, ReadsEveryKindOfValue) {
  const auto document = Parse(
      R"( {"a": [1, -2.5e3, true, false, null, "x"], "b": {"c": {}, "d": []}, "e\u0066": "\u00e9\n\ud83d\ude00"} )");
  ASSERT_OK(document);
  const JsonValue root = (*document)->root();
  EXPECT_EQ(root.size(), 3U);
  const JsonValue list = root.Find("a");
  EXPECT_EQ(list.size(), 6U);
  JsonValue item = list.First();
  EXPECT_EQ(item.AsInt64().value_or(0), 1);
  item = item.Next();
  EXPECT_EQ(item.AsDouble().value_or(0), -2500.0);
  EXPECT_FALSE(item.AsInt64().has_value());
  item = item.Next();
  EXPECT_TRUE(item.AsBool() == true);
  item = item.Next();
  EXPECT_TRUE(item.AsBool() == false);
  item = item.Next();
  EXPECT_TRUE(item.IsNull());
  item = item.Next();
  EXPECT_EQ(item.AsString().value_or(""), "x");
  EXPECT_FALSE(item.Next().exists());
  EXPECT_TRUE(root.Find("b").Find("c").IsObject());
  EXPECT_TRUE(root.Find("b").Find("d").IsArray());
  EXPECT_FALSE(root.Find("b").Find("d").First().exists());
  EXPECT_EQ(root.Find("ef").AsString().value_or(""), "\xC3\xA9\n\xF0\x9F\x98\x80");
  EXPECT_TRUE(root.Find("ef").Equals("\xC3\xA9\n\xF0\x9F\x98\x80"));
  EXPECT_FALSE(root.Find("ef").Equals("\xC3\xA9\n"));
  EXPECT_FALSE(root.Find("ef").Equals("\xC3\xA9\n\xF0\x9F\x98\x80!"));
  EXPECT_FALSE(root.Find("absent").exists());
}

TEST(Json, MissingValuesAnswerNothing) {
  const JsonValue nothing;
  EXPECT_FALSE(nothing.Find("a").First().Next().exists());
  EXPECT_FALSE(nothing.AsInt64().has_value());
  EXPECT_EQ(nothing.size(), 0U);
  EXPECT_EQ(std::string(nothing.TypeName()), "nothing");
}

TEST(Json, IntegersAreExact) {
  const auto document = Parse("[9223372036854775807, 18446744073709551615, 9007199254740993,"
                              " 18446744073709551616, 1e999, -9223372036854775808]");
  ASSERT_OK(document);
  JsonValue v = (*document)->root().First();
  EXPECT_EQ(v.AsInt64().value_or(0), INT64_MAX);
  v = v.Next();
  EXPECT_EQ(v.AsUint64().value_or(0), UINT64_MAX);
  EXPECT_FALSE(v.AsInt64().has_value());
  v = v.Next();
  EXPECT_EQ(v.AsInt64().value_or(0), 9007199254740993);
  v = v.Next();
  EXPECT_FALSE(v.AsUint64().has_value());
  v = v.Next();
  EXPECT_FALSE(v.AsDouble().has_value());
  v = v.Next();
  EXPECT_EQ(v.AsInt64().value_or(0), INT64_MIN);
  EXPECT_FALSE(v.AsUint64().has_value());
}

TEST(Json, LastOfRepeatedKeysWins) {
  const auto document = Parse(R"({"a": 1, "b": 2, "\u0061": 3})");
  ASSERT_OK(document);
  EXPECT_EQ((*document)->root().Find("a").AsInt64().value_or(0), 3);
}

TEST(Json, RefusesWhatIsNotJson) {
  for (const char* text :
       {"", " ", "{", "[", "]", "}", "{]", "[}", "[1,]", "{\"a\":1,}", "{\"a\"}", "{\"a\":}",
        "{a:1}", "{1:1}", "[1 2]", "01", "-", "+1", ".5", "1.", "1e", "0x10", "NaN", "Infinity",
        "nul", "truee", "tru", "\"", "\"\\\"", "\"\\x\"", "\"\\u12\"", "\"\\u12G4\"", "\"\\u-123\"",
        "\"\\ud800\"", "\"\\udc00\"", "\"\\ud800\\u0041\"", "\"\\ud800x\"", "\"\n\"", "\"\t\"",
        "\"\xFF\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"", "\"\xF4\x90\x80\x80\"", "\"\xE2\x82\"",
        "\xEF\xBB\xBF{}", "{} {}", "1 x", "// c\n1", "'a'", "{\"a\":1 \"b\":2}"}) {
    const auto document = Parse(text);
    if (document.ok()) EXPECT_EQ(std::string(text), "refused");
    EXPECT_STATUS(document, StatusCode::kModelCorrupt);
  }
  EXPECT_STATUS(Parse(std::string("\"a\0b\"", 5)), StatusCode::kModelCorrupt);
}

TEST(Json, DepthIsLimited) {
  const auto nested = [](size_t n) { return std::string(n, '[') + std::string(n, ']'); };
  EXPECT_OK(Parse(nested(JsonDocument::kMaxDepth)));
  EXPECT_STATUS(Parse(nested(JsonDocument::kMaxDepth + 1)), StatusCode::kModelCorrupt);
  EXPECT_STATUS(Parse(std::string(1 << 20, '[')), StatusCode::kModelCorrupt);
}

TEST(Json, EveryPrefixIsRefused) {
  const std::string text = R"({"a":[1,{"b":"\u00e9"},true],"c":-1.5e+3})";
  EXPECT_OK(Parse(text));
  for (size_t n = 0; n < text.size(); ++n) {
    EXPECT_STATUS(Parse(text.substr(0, n)), StatusCode::kModelCorrupt);
  }
}

TEST(Text, Utf8) {
  EXPECT_TRUE(IsValidUtf8("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80"));
  EXPECT_FALSE(IsValidUtf8("\x80"));
  EXPECT_FALSE(IsValidUtf8("\xC1\xBF"));
  EXPECT_FALSE(IsValidUtf8("\xE0\x9F\xBF"));
  EXPECT_EQ(Printable("a\x01" "b\xFFz"), "a b\xEF\xBF\xBDz");
  EXPECT_EQ(Printable("abcdef", 3), "abc...");
  std::string out;
  for (const uint32_t c : {0x41U, 0xE9U, 0x20ACU, 0x1F600U}) AppendUtf8(c, out);
  EXPECT_EQ(out, "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80");
}

}  // namespace
}  // namespace thermocline

#include "tokenizer/pre_tokenizer.h"

#include <chrono>
#include <string>

#include "tokenizer/test_vocabularies.h"
#include "util/testing.h"

namespace thermocline {
namespace {

std::string Words(std::string_view pre_tokenizer, std::string_view text) {
  std::string words;
  const PreTokenizer* const found = FindPreTokenizer(pre_tokenizer);
  if (found == nullptr) return "unknown";
  SplitIntoWords(*found, text, [&](std::string_view word) { words.append(word).append("|"); });
  return words;
}

constexpr std::string_view kFamilies[] = {"gpt-2",          "starcoder",  "falcon", "default",
                                          "llama-bpe",      "qwen2",      "qwen35", "deepseek-llm",
                                          "deepseek-coder", "deepseek-v3"};

TEST(PreTokenizer, Gpt2) {
  EXPECT_EQ(Words("gpt-2", "I've  2345 dogs!!\n\n x"), "I|'ve| | 2345| dogs|!!|\n\n| x|");
  EXPECT_EQ(Words("gpt-2", "\n\n\tx y  "), "\n\n|\t|x| y|  |");
  EXPECT_EQ(Words("gpt-2", "'S 'l it's"), "'|S| '|l| it|'s|");
  EXPECT_EQ(Words("gpt-2", "é½中文🦙e\u0301"), "é|½|中文|🦙|e|\u0301|");
}

TEST(PreTokenizer, Starcoder) { EXPECT_EQ(Words("starcoder", " 2345½ x1"), " |2|3|4|5|½| x|1|"); }

TEST(PreTokenizer, Falcon) {
  EXPECT_EQ(Words("falcon", "a=b, 12345 `x`"), "a|=|b|,| |123|45| |`|x|`|");
  EXPECT_EQ(Words("default", "a=b 12345`"), "a|=|b| |123|45|`|");
}

TEST(PreTokenizer, Llama3) {
  EXPECT_EQ(Words("llama-bpe", "I'LL pay $1234567.89\r\n\n  ok"),
            "I|'LL| pay| $|123|456|7|.|89|\r\n\n| | ok|");
  EXPECT_EQ(Words("llama-bpe", "(word)\tword \n \n x"), "(word|)|\tword| \n \n| x|");
  EXPECT_EQ(Words("llama-bpe", "!!\n\nx"), "!!\n\n|x|");
}

TEST(PreTokenizer, Qwen) {
  EXPECT_EQ(Words("qwen2", "x 123"), "x| |1|2|3|");
  EXPECT_EQ(Words("qwen2", "e\u0301a"), "e|\u0301a|");
  EXPECT_EQ(Words("qwen35", "e\u0301a"), "e\u0301a|");
}

TEST(PreTokenizer, Deepseek) {
  EXPECT_EQ(Words("deepseek-llm", "Hi 中文, 12\nx "), "Hi| |中文|,| |12|\n|x| |");
  EXPECT_EQ(Words("deepseek-llm", "a\u3000。"), "a|\u3000。|");
  EXPECT_EQ(Words("deepseek-coder", "x12 y.z"), "x|1|2| y|.|z|");
  EXPECT_EQ(Words("deepseek-v3", "x.foo 1234あ"), "x|.foo| |123|4|あ|");
}

TEST(PreTokenizer, UnknownNameIsNotFound) {
  EXPECT_TRUE(FindPreTokenizer("no-such-thing") == nullptr);
  EXPECT_TRUE(FindPreTokenizer("") == nullptr);
}

TEST(PreTokenizer, WordsJoinToTheText) {
  testing::Random random(2);
  for (const std::string_view family : kFamilies) {
    for (int round = 0; round < 500; ++round) {
      const std::string text =
          round % 2 == 0 ? testing::RandomText(random, 30) : testing::RandomBytes(random, 30);
      std::string joined;
      bool empty_word = false;
      SplitIntoWords(*FindPreTokenizer(family), text, [&](std::string_view word) {
        joined.append(word);
        empty_word |= word.empty();
      });
      EXPECT_EQ(joined, text);
      EXPECT_FALSE(empty_word);
    }
  }
}

// Backtracking expressions go quadratic on runs like these: at this length that
// would be minutes.
TEST(PreTokenizer, LongRunsTakeLinearTime) {
  const auto n = static_cast<size_t>((1 << 20) / testing::Stride(8));
  const std::string runs[] = {std::string(n, ' ') + "x", std::string(n, '\n') + "x",
                              std::string(n, 'a'), std::string(n, '7'), std::string(n, '\'')};
  for (const std::string_view family : kFamilies) {
    for (const std::string& run : runs) {
      const auto start = std::chrono::steady_clock::now();
      size_t bytes = 0;
      SplitIntoWords(*FindPreTokenizer(family), run,
                     [&](std::string_view word) { bytes += word.size(); });
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      EXPECT_EQ(bytes, run.size());
      EXPECT_LT(seconds.count(), 5.0);
    }
  }
}

}  // namespace
}  // namespace thermocline

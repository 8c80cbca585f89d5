#include "tokenizer/bpe_tokenizer.h"

#include <algorithm>
#include <map>

#include "tokenizer/test_vocabularies.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::AddToken;
using testing::ByteVocabulary;
using testing::Join;
using testing::Spell;
using testing::TokenType;

std::unique_ptr<Tokenizer> Make(VocabularyData data) {
  auto tokenizer = Tokenizer::Create(std::move(data), "test.gguf");
  EXPECT_OK(tokenizer);
  return tokenizer.ok() ? std::move(tokenizer).value() : nullptr;
}

TEST(Bpe, MergesTheBestRankFirst) {
  const auto tokenizer = Make(ByteVocabulary("gpt-2", {"b c", "a b", "a bc", "ab c"}));
  EXPECT_EQ(Spell(*tokenizer, tokenizer->Encode("abcab", {})), "abc|ab");
  EXPECT_EQ(tokenizer->Encode("abc", {}), (std::vector<TokenId>{258}));
}

TEST(Bpe, EqualRanksMergeFromTheLeft) {
  const auto tokenizer = Make(ByteVocabulary("gpt-2", {"a a"}));
  EXPECT_EQ(Spell(*tokenizer, tokenizer->Encode("aaaaa", {})), "aa|aa|a");
}

// The same result as the textbook loop that looks for the best pair again and again.
TEST(Bpe, AgreesWithThePlainLoop) {
  const std::vector<std::string> merges = {"a b",  "b a", "ab a",  "a a",   "b b",  "aa b",
                                           "ba b", "c a", "ab ab", "aba c", "bb a", "ca b"};
  VocabularyData data = ByteVocabulary("gpt-2", merges);
  std::map<std::pair<std::string, std::string>, size_t> ranks;
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const size_t space = merges[rank].find(' ');
    ranks[{merges[rank].substr(0, space), merges[rank].substr(space + 1)}] = rank;
  }
  const auto tokenizer = Make(std::move(data));
  testing::Random random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string word;
    for (uint32_t left = 1 + random.Below(40); left > 0; --left) {
      word.push_back(static_cast<char>('a' + random.Below(3)));
    }
    std::vector<std::string> parts;
    for (const char c : word) parts.emplace_back(1, c);
    while (true) {
      size_t best = merges.size();
      size_t where = 0;
      for (size_t i = 0; i + 1 < parts.size(); ++i) {
        const auto found = ranks.find({parts[i], parts[i + 1]});
        if (found != ranks.end() && found->second < best) {
          best = found->second;
          where = i;
        }
      }
      if (best == merges.size()) break;
      parts[where] += parts[where + 1];
      parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(where) + 1);
    }
    std::string expected;
    for (const std::string& part : parts) expected += (expected.empty() ? "" : "|") + part;
    EXPECT_EQ(Spell(*tokenizer, tokenizer->Encode(word, {})), expected);
  }
}

TEST(Bpe, TakesWholeWordsWhenMergesAreIgnored) {
  VocabularyData data = ByteVocabulary("llama-bpe", {"a b"});
  const TokenId whole = AddToken(data, "abc", TokenType::kNormal);
  VocabularyData ignoring = data;
  ignoring.ignore_merges = true;
  EXPECT_EQ(Join(Make(std::move(data))->Encode("abc", {})), "256 99");
  EXPECT_EQ(Make(std::move(ignoring))->Encode("abc", {}), std::vector<TokenId>{whole});
}

TEST(Bpe, MissingBytesBecomeTheReplacementCharacter) {
  VocabularyData data = ByteVocabulary("gpt-2", {});
  data.tokens[0xFF] = "unrelated";
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("a\xFF!", {}), false), "a\xEF\xBF\xBD!");
}

TEST(Bpe, RoundTripsAnyBytes) {
  const auto tokenizer = Make(ByteVocabulary("llama-bpe", {"h e", "t he", "Ġ t", "Ġt he"}));
  testing::Random random(4);
  for (int round = 0; round < 3000; ++round) {
    const std::string text =
        round % 2 == 0 ? testing::RandomText(random, 40) : testing::RandomBytes(random, 60);
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, {}), false), text);
  }
}

TEST(Bpe, StreamedTokensGiveTheTextInWholeCharacters) {
  const auto tokenizer = Make(ByteVocabulary("qwen2", {"h e", "t he", "Ġ t"}));
  testing::Random random(8);
  for (int round = 0; round < 1000; ++round) {
    const std::string text = testing::RandomText(random, 40);
    Utf8Stream stream;
    std::string streamed;
    for (const TokenId id : tokenizer->Encode(text, {})) {
      const std::string part = stream.Push(tokenizer->TokenBytes(id, false));
      for (size_t at = 0; at < part.size();) {
        const Char c = CharAt(part, at);
        EXPECT_TRUE(c.valid);
        at += c.length;
      }
      streamed += part;
    }
    EXPECT_EQ(streamed + stream.Flush(), text);
  }
}

TEST(Bpe, RefusesAPreTokenizerItDoesNotKnow) {
  const auto status = Tokenizer::Create(ByteVocabulary("mystery-7", {}), "m.gguf").status();
  EXPECT_STATUS(status, StatusCode::kTokenizerUnsupported);
  EXPECT_TRUE(status.message().find("pre-tokenizer") != std::string::npos);
  EXPECT_TRUE(status.message().find("mystery-7") != std::string::npos);
  EXPECT_EQ(status.path(), "m.gguf");

  const auto missing = Tokenizer::Create(ByteVocabulary("", {}), "m.gguf").status();
  EXPECT_STATUS(missing, StatusCode::kTokenizerUnsupported);
  EXPECT_TRUE(missing.message().find("pre-tokenizer") != std::string::npos);

  VocabularyData described = ByteVocabulary("gpt-2", {});
  described.unknown_pre_tokenizer = "Split with [abc]";
  const auto unknown = Tokenizer::Create(std::move(described), "m").status();
  EXPECT_STATUS(unknown, StatusCode::kTokenizerUnsupported);
  EXPECT_TRUE(unknown.message().find("[abc]") != std::string::npos);
}

TEST(Bpe, RefusesMergesThatContradictTheVocabulary) {
  for (const char* const merge : {"a", "", " ", "a ", " a", "ab cd", "a zz", "zz a", "a c"}) {
    VocabularyData data = ByteVocabulary("gpt-2", {"a b"});
    data.merges.emplace_back(merge);
    EXPECT_STATUS(Tokenizer::Create(std::move(data), "m"), StatusCode::kModelCorrupt);
  }
}

TEST(Bpe, RepeatedMergesAndTokensAreHarmless) {
  VocabularyData data = ByteVocabulary("gpt-2", {"a b", "b c", "a b"});
  AddToken(data, "ab", TokenType::kNormal);
  AddToken(data, "", TokenType::kNormal);
  AddToken(data, "", TokenType::kControl);
  AddToken(data, "", TokenType::kUserDefined);
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(Join(tokenizer->Encode("abc", {})), "256 99");
  EXPECT_EQ(tokenizer->Decode(std::vector<TokenId>{260, 261, 262}, true), "");
}

TEST(Bpe, MergesNeverMakeControlTokens) {
  VocabularyData data = ByteVocabulary("gpt-2", {"a b"});
  data.types[256] = TokenType::kControl;
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(Join(tokenizer->Encode("ab", {})), "97 98");
  EXPECT_EQ(Join(tokenizer->Encode("ab", {.parse_special = true})), "256");
}

}  // namespace
}  // namespace thermocline

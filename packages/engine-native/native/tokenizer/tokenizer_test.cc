#include "tokenizer/tokenizer.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <sstream>

#include "io/json.h"
#include "tokenizer/test_vocabularies.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::AddToken;
using testing::ByteVocabulary;
using testing::DataFile;
using testing::Join;
using testing::PieceVocabulary;
using testing::TokenType;

std::string ReadAll(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

Result<std::unique_ptr<Tokenizer>> Open(const std::string& path) {
  ASSIGN_OR_RETURN(const auto file, OpenModelFile(path));
  ASSIGN_OR_RETURN(auto data, file->vocabulary());
  return Tokenizer::Create(std::move(data), path);
}

std::unique_ptr<Tokenizer> Make(VocabularyData data) {
  auto tokenizer = Tokenizer::Create(std::move(data), "test.gguf");
  EXPECT_OK(tokenizer);
  return tokenizer.ok() ? std::move(tokenizer).value() : nullptr;
}

// The vocabulary's published vectors: texts, and the ids they must become.
void CheckVectors(const std::string& name) {
  const std::string base = DataFile("tokenizers/ggml-vocab-" + name + ".gguf");
  if (base.empty()) SKIP("no test data: tokenizers/ggml-vocab-" + name + ".gguf");
  const auto tokenizer = Open(base);
  ASSERT_OK(tokenizer);

  const std::string separator = "\n__ggml_vocab_test__\n";
  const std::string input = ReadAll(base + ".inp");
  std::istringstream expected(ReadAll(base + ".out"));
  size_t vectors = 0;
  std::string line;
  for (size_t at = 0; at < input.size(); ++vectors) {
    const size_t end = std::min(input.find(separator, at), input.size());
    const std::string text = input.substr(at, end - at);
    at = end + separator.size();

    ASSERT_TRUE(static_cast<bool>(std::getline(expected, line)));
    std::istringstream numbers(line);
    const std::vector<TokenId> ids{std::istream_iterator<TokenId>(numbers), {}};
    const std::vector<TokenId> encoded = (*tokenizer)->Encode(text, {});
    EXPECT_EQ(Join(encoded), Join(ids));
    EXPECT_EQ((*tokenizer)->Decode(encoded, false), text);
  }
  EXPECT_EQ(vectors, 46U);
  EXPECT_FALSE(static_cast<bool>(std::getline(expected, line)));
}

TEST(Vectors, LlamaBpe) { CheckVectors("llama-bpe"); }
TEST(Vectors, LlamaSpm) { CheckVectors("llama-spm"); }
TEST(Vectors, Gpt2) { CheckVectors("gpt-2"); }
TEST(Vectors, Falcon) { CheckVectors("falcon"); }
TEST(Vectors, Qwen2) { CheckVectors("qwen2"); }
TEST(Vectors, Phi3) { CheckVectors("phi-3"); }
TEST(Vectors, Starcoder) { CheckVectors("starcoder"); }
TEST(Vectors, DeepseekLlm) { CheckVectors("deepseek-llm"); }
TEST(Vectors, Refact) { CheckVectors("refact"); }
TEST(Vectors, Mpt) { CheckVectors("mpt"); }

// The demo model's own reference, wherever it lies.
std::string DemoFile(const std::string& in_package, const std::string& in_data) {
  const std::string packaged = testing::RepoFile("packages/demo-model/" + in_package);
  return std::ifstream(packaged).good() ? packaged : DataFile("demo-model/" + in_data);
}

void CheckReference(const std::string& model) {
  const std::string reference = DemoFile("model/reference.json", "reference.json");
  if (model.empty() || reference.empty()) SKIP("no demo model");
  const auto tokenizer = Open(model);
  ASSERT_OK(tokenizer);
  auto parsed = JsonDocument::Parse(ReadAll(reference), StatusCode::kIo);
  ASSERT_OK(parsed);

  const JsonValue tests = (*parsed)->root().Find("tokenizer_tests");
  size_t count = 0;
  for (JsonValue test = tests.First(); test.exists(); test = test.Next(), ++count) {
    const std::string text = test.Find("text").AsString().value_or("");
    std::vector<TokenId> ids;
    const JsonValue list = test.Find("ids");
    for (JsonValue id = list.First(); id.exists(); id = id.Next()) {
      ids.push_back(static_cast<TokenId>(id.AsInt64().value_or(-1)));
    }
    EXPECT_EQ(Join((*tokenizer)->Encode(text, {})), Join(ids));
    EXPECT_EQ((*tokenizer)->Decode(ids, false), text);
  }
  EXPECT_GE(count, 8U);
  EXPECT_TRUE((*tokenizer)->adds_bos());
  EXPECT_TRUE((*tokenizer)->IsEndOfGeneration(0));
  EXPECT_EQ(Join((*tokenizer)->Encode("Hello world", {.add_special = true})), "0 2455 622");
  EXPECT_EQ(Join((*tokenizer)->Encode("<|endoftext|>", {.parse_special = true})), "0");

  testing::Random random(6);
  for (int round = 0; round < 2000; ++round) {
    const std::string bytes =
        round % 2 == 0 ? testing::RandomText(random, 50) : testing::RandomBytes(random, 50);
    EXPECT_EQ((*tokenizer)->Decode((*tokenizer)->Encode(bytes, {}), false), bytes);
  }
}

TEST(DemoModel, TokenizesAsItsReferenceSays) {
  CheckReference(
      DemoFile("model/Llama-ReGLU-Stories-8M-f16.gguf", "Llama-ReGLU-Stories-8M-f16.gguf"));
}

TEST(DemoModel, TheFolderTokenizesLikeTheFile) { CheckReference(DataFile("demo-model/hf")); }

TEST(Special, ControlTokensAreParsedOnlyWhenAsked) {
  VocabularyData data = ByteVocabulary("gpt-2", {});
  const TokenId start = AddToken(data, "<|im_start|>", TokenType::kControl);
  const TokenId user = AddToken(data, "<|im|>", TokenType::kUserDefined);
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(tokenizer->Encode("<|im_start|>", {}).size(), 12U);
  EXPECT_EQ(Join(tokenizer->Encode("a<|im_start|>b", {.parse_special = true})),
            "97 " + std::to_string(start) + " 98");
  EXPECT_EQ(tokenizer->Encode("<|im|>", {}), std::vector<TokenId>{user});
  EXPECT_EQ(tokenizer->TokenBytes(start, false), "");
  EXPECT_EQ(tokenizer->TokenBytes(start, true), "<|im_start|>");
  EXPECT_EQ(tokenizer->TokenBytes(user, false), "<|im|>");
  EXPECT_TRUE(tokenizer->IsControl(start));
  EXPECT_FALSE(tokenizer->IsControl(user));
}

TEST(Special, TheLongestTokenAtTheLeftmostPlaceWins) {
  VocabularyData data = ByteVocabulary("gpt-2", {});
  const TokenId a = AddToken(data, "<a>", TokenType::kUserDefined);
  const TokenId aa = AddToken(data, "<a><a>", TokenType::kUserDefined);
  const TokenId late = AddToken(data, "a><b><c>", TokenType::kUserDefined);
  AddToken(data, "<a>", TokenType::kUserDefined);
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(tokenizer->Encode("<a><a><a>", {}), (std::vector<TokenId>{aa, a}));
  EXPECT_EQ(Join(tokenizer->Encode("<a>b", {})), std::to_string(a) + " 98");
  EXPECT_EQ(Join(tokenizer->Encode("(a><b><c>", {})), "40 " + std::to_string(late));
  EXPECT_EQ(Join(tokenizer->Encode("<a><b><c>", {})).find(std::to_string(late)), std::string::npos);
  EXPECT_EQ(Join(tokenizer->Encode("<a", {})), "60 97");
}

TEST(Special, BosAndEosFollowTheFile) {
  VocabularyData data = ByteVocabulary("gpt-2", {});
  data.bos = data.eos = AddToken(data, "<|endoftext|>", TokenType::kControl);
  EXPECT_FALSE(Make(data)->adds_bos());
  data.has_add_bos = data.add_bos = data.add_eos = true;
  const auto tokenizer = Make(data);
  EXPECT_TRUE(tokenizer->adds_bos());
  EXPECT_EQ(Join(tokenizer->Encode("a", {.add_special = true})), "256 97 256");
  EXPECT_EQ(Join(tokenizer->Encode("", {.add_special = true})), "256 256");
  EXPECT_EQ(Join(tokenizer->Encode("a", {})), "97");
  data.bos = -1;
  EXPECT_FALSE(Make(data)->adds_bos());

  VocabularyData pieces = PieceVocabulary({"▁", "a"});
  EXPECT_TRUE(Make(pieces)->adds_bos());
  pieces.has_add_bos = true;
  EXPECT_FALSE(Make(pieces)->adds_bos());
}

TEST(Special, EndOfGenerationIsEosEotAndKnownControlTokens) {
  VocabularyData data = ByteVocabulary("gpt-2", {});
  data.eos = 'z';
  data.eot = AddToken(data, "<my-end>", TokenType::kControl);
  const TokenId named = AddToken(data, "<|im_end|>", TokenType::kControl);
  const TokenId text = AddToken(data, "<|eot_id|>", TokenType::kNormal);
  const TokenId other = AddToken(data, "<|im_start|>", TokenType::kControl);
  const auto tokenizer = Make(std::move(data));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration('z'));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(256));
  EXPECT_TRUE(tokenizer->IsEndOfGeneration(named));
  EXPECT_FALSE(tokenizer->IsEndOfGeneration(text));
  EXPECT_FALSE(tokenizer->IsEndOfGeneration(other));
  EXPECT_FALSE(tokenizer->IsEndOfGeneration(-1));
}

TEST(Vocabulary, IdsOutsideItAreEmpty) {
  const auto tokenizer = Make(ByteVocabulary("gpt-2", {}));
  for (const TokenId id : {-1, 256, 1 << 30, INT32_MIN, INT32_MAX}) {
    EXPECT_EQ(tokenizer->TokenBytes(id, true), "");
    EXPECT_EQ(tokenizer->TokenText(id), "");
    EXPECT_FALSE(tokenizer->IsControl(id));
    EXPECT_FALSE(tokenizer->IsEndOfGeneration(id));
  }
}

TEST(Vocabulary, ContradictionsAreRefused) {
  EXPECT_STATUS(Tokenizer::Create({}, "m"), StatusCode::kTokenizerUnsupported);
  const VocabularyData good = ByteVocabulary("gpt-2", {});

  VocabularyData empty = good;
  empty.tokens.clear();
  EXPECT_STATUS(Tokenizer::Create(empty, "m"), StatusCode::kModelCorrupt);
  VocabularyData few_types = good;
  few_types.types.pop_back();
  EXPECT_STATUS(Tokenizer::Create(few_types, "m"), StatusCode::kModelCorrupt);
  for (const int type : {0, 7, 255}) {
    VocabularyData odd_type = good;
    odd_type.types[5] = static_cast<TokenType>(type);
    EXPECT_STATUS(Tokenizer::Create(odd_type, "m"), StatusCode::kModelCorrupt);
  }
  for (int64_t VocabularyData::* const id :
       {&VocabularyData::bos, &VocabularyData::eos, &VocabularyData::unk, &VocabularyData::eot}) {
    VocabularyData beyond = good;
    beyond.*id = 256;
    EXPECT_STATUS(Tokenizer::Create(beyond, "m"), StatusCode::kModelCorrupt);
    beyond.*id = INT64_MAX;
    EXPECT_STATUS(Tokenizer::Create(beyond, "m"), StatusCode::kModelCorrupt);
  }
  VocabularyData padded = good;
  padded.pad = 100000;
  EXPECT_OK(Tokenizer::Create(padded, "m"));
  VocabularyData untyped = good;
  untyped.types.clear();
  EXPECT_OK(Tokenizer::Create(untyped, "m"));
}

// Whatever a file claims, the answer is an error or a tokenizer that works.
TEST(Vocabulary, RandomDamageIsRefusedOrHarmless) {
  testing::Random random(7);
  const auto damage = [&](VocabularyData data) {
    const auto size = static_cast<uint32_t>(data.tokens.size());
    for (uint32_t left = random.Below(6); left > 0; --left) {
      const uint32_t id = random.Below(size);
      switch (random.Below(7)) {
        case 0:
          data.tokens[id] = testing::RandomBytes(random, 6);
          break;
        case 1:
          data.tokens[id] = data.tokens[random.Below(size)];
          break;
        case 2:
          data.types[id] = static_cast<TokenType>(1 + random.Below(6));
          break;
        case 3:
          data.merges.push_back(testing::RandomBytes(random, 5));
          break;
        case 4:
          data.merges.push_back(data.tokens[id] + " " + data.tokens[random.Below(size)]);
          break;
        case 5:
          data.eos = static_cast<int64_t>(random.Below(size + 2)) - 1;
          break;
        default:
          data.unk = static_cast<int64_t>(random.Below(size + 2)) - 1;
          break;
      }
    }
    return data;
  };
  size_t made = 0;
  for (int round = 0; round < 1500; ++round) {
    VocabularyData data = round % 2 == 0
                              ? ByteVocabulary("llama-bpe", {"h e", "t he", "Ġ the", "a b", "ab a"})
                              : PieceVocabulary({"▁the", "he", "▁", "t", "h", "e"}, round % 4 == 1);
    const auto tokenizer = Tokenizer::Create(damage(std::move(data)), "m");
    if (!tokenizer.ok()) {
      EXPECT_STATUS(tokenizer, StatusCode::kModelCorrupt);
      continue;
    }
    ++made;
    const auto size = static_cast<TokenId>((*tokenizer)->vocabulary().tokens.size());
    const std::vector<TokenId> ids =
        (*tokenizer)
            ->Encode(
                testing::RandomText(random, 30) + testing::RandomBytes(random, 30) + "the <s> abab",
                {.add_special = true, .parse_special = true});
    for (const TokenId id : ids) EXPECT_TRUE(id >= 0 && id < size);
    (void)(*tokenizer)->Decode(ids, true);
  }
  EXPECT_GT(made, 400U);
}

// One word of a megabyte, both families: the merge loop must not be quadratic.
TEST(Speed, AMegabyteOfOneLetter) {
  const std::string word(static_cast<size_t>((1 << 20) / testing::Stride(8)), 'a');
  const auto bpe = Make(ByteVocabulary("gpt-2", {"a a", "aa aa", "aaaa aaaa", "aaaa a"}));
  const auto pieces = Make(PieceVocabulary({"aaaa", "aa", "a", "▁"}));
  for (const auto* const tokenizer : {&bpe, &pieces}) {
    const auto start = std::chrono::steady_clock::now();
    const std::vector<TokenId> ids = (*tokenizer)->Encode(word, {});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    EXPECT_LT(ids.size(), word.size() / 2);
    EXPECT_EQ((*tokenizer)->Decode(ids, false), word);
    EXPECT_LT(seconds.count(), 10.0);
  }
}

}  // namespace
}  // namespace thermocline

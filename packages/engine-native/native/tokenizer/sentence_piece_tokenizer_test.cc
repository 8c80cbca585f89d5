#include "tokenizer/sentence_piece_tokenizer.h"

#include <limits>

#include "tokenizer/test_vocabularies.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using testing::AddToken;
using testing::PieceVocabulary;
using testing::Spell;
using testing::TokenType;

const std::vector<std::string> kPieces = {"▁t", "he", "▁the", "▁", "▁▁", "t", "h", "e", "ll", "l"};

std::unique_ptr<Tokenizer> Make(VocabularyData data) {
  auto tokenizer = Tokenizer::Create(std::move(data), "test.gguf");
  EXPECT_OK(tokenizer);
  return tokenizer.ok() ? std::move(tokenizer).value() : nullptr;
}

std::string Pieces(const Tokenizer& tokenizer, std::string_view text) {
  return Spell(tokenizer, tokenizer.Encode(text, {}));
}

TEST(SentencePiece, JoinsTheBestScoreFirst) {
  const auto tokenizer = Make(PieceVocabulary(kPieces));
  EXPECT_EQ(Pieces(*tokenizer, "the"), "▁the");
  EXPECT_EQ(Pieces(*tokenizer, "the  the"), "▁the|▁|▁the");
  EXPECT_EQ(Pieces(*tokenizer, "tell"), "▁t|e|ll");
  EXPECT_EQ(Pieces(*tokenizer, ""), "");
}

TEST(SentencePiece, UnknownCharactersFallBackToBytes) {
  const auto with_bytes = Make(PieceVocabulary(kPieces));
  EXPECT_EQ(Pieces(*with_bytes, "é\xFF"), "▁|<0xC3>|<0xA9>|<0xFF>");
  const auto without = Make(PieceVocabulary(kPieces, false));
  EXPECT_EQ(Pieces(*without, "é"), "▁|<unk>");
}

TEST(SentencePiece, SpacePrefixIsAsTheFileSays) {
  VocabularyData data = PieceVocabulary(kPieces);
  data.add_space_prefix = false;
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(Pieces(*tokenizer, "the"), "t|he");
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(" the", {}), false), " the");
}

TEST(SentencePiece, RemovesExtraSpacesOnlyWhenAsked) {
  VocabularyData data = PieceVocabulary(kPieces);
  data.remove_extra_whitespace = true;
  const auto tokenizer = Make(std::move(data));
  EXPECT_EQ(Pieces(*tokenizer, "  the   the  "), "▁the|▁the");
  EXPECT_EQ(Pieces(*tokenizer, "   "), "");
}

// Words are merged one by one only where no token can reach over a word's start.
TEST(SentencePiece, TokensMayReachOverSpaces) {
  std::vector<std::string> pieces = {"e▁t"};
  pieces.insert(pieces.end(), kPieces.begin(), kPieces.end());
  EXPECT_EQ(Pieces(*Make(PieceVocabulary(kPieces)), "e t"), "▁|e|▁t");
  EXPECT_EQ(Pieces(*Make(PieceVocabulary(pieces)), "e t"), "▁|e▁t");
}

TEST(SentencePiece, TextNeverSpellsControlOrByteTokens) {
  const auto tokenizer = Make(PieceVocabulary({"▁", "<", "s", ">", "<s", "<0", "x41", ">"}));
  for (const TokenId id : tokenizer->Encode("<s></s><0x41><unk>", {})) {
    EXPECT_FALSE(tokenizer->IsControl(id));
  }
  EXPECT_EQ(tokenizer->Decode(tokenizer->Encode("<s></s><0x41><unk>", {}), false),
            "<s></s><0x41><unk>");
}

TEST(SentencePiece, RoundTripsAnyBytes) {
  const auto tokenizer = Make(PieceVocabulary(kPieces));
  testing::Random random(5);
  for (int round = 0; round < 3000; ++round) {
    const std::string text =
        round % 2 == 0 ? testing::RandomText(random, 40) : testing::RandomBytes(random, 60);
    // U+2581 itself reads as a space: the one thing that the spelling loses.
    if (text.find("▁") != std::string::npos) continue;
    EXPECT_EQ(tokenizer->Decode(tokenizer->Encode(text, {}), false), text);
  }
}

TEST(SentencePiece, RefusesBrokenScores) {
  VocabularyData missing = PieceVocabulary(kPieces);
  missing.scores.pop_back();
  EXPECT_STATUS(Tokenizer::Create(std::move(missing), "m"), StatusCode::kModelCorrupt);
  VocabularyData nan = PieceVocabulary(kPieces);
  nan.scores.back() = std::numeric_limits<float>::quiet_NaN();
  EXPECT_STATUS(Tokenizer::Create(std::move(nan), "m"), StatusCode::kModelCorrupt);
  VocabularyData infinite = PieceVocabulary(kPieces);
  infinite.scores.back() = -std::numeric_limits<float>::infinity();
  EXPECT_EQ(Pieces(*Make(std::move(infinite)), "the"), "▁the");
}

TEST(SentencePiece, Phi3StripsSpaceAfterItsTokens) {
  VocabularyData data = PieceVocabulary(kPieces);
  AddToken(data, "<|end|>", TokenType::kControl);
  VocabularyData phi = data;
  AddToken(phi, "<|placeholder1|>", TokenType::kControl);
  const EncodeOptions options = {.parse_special = true};
  const auto plain = Make(std::move(data));
  EXPECT_EQ(Spell(*plain, plain->Encode("<|end|> \nthe", options)), "<|end|>|▁▁|<0x0A>|t|he");
  const auto stripping = Make(std::move(phi));
  EXPECT_EQ(Spell(*stripping, stripping->Encode("<|end|> \nthe", options)), "<|end|>|▁the");
  EXPECT_EQ(Spell(*stripping, stripping->Encode("<s> the", options)), "<s>|▁|▁the");
}

}  // namespace
}  // namespace thermocline

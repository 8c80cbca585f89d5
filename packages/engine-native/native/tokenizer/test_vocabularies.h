// Small vocabularies made by hand, for tests that need no files.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tokenizer/byte_alphabet.h"
#include "tokenizer/tokenizer.h"
#include "tokenizer/unicode.h"

namespace thermocline::testing {

using TokenType = VocabularyData::TokenType;

inline TokenId AddToken(VocabularyData& data, std::string text, TokenType type, float score = 0) {
  data.tokens.push_back(std::move(text));
  data.types.push_back(type);
  if (data.kind == VocabularyData::Kind::kSentencePiece) data.scores.push_back(score);
  return static_cast<TokenId>(data.tokens.size() - 1);
}

// Ids 0 to 255 are the bytes; then one token for each merge, in order.
inline VocabularyData ByteVocabulary(const std::string& pre_tokenizer,
                                     const std::vector<std::string>& merges) {
  VocabularyData data;
  data.kind = VocabularyData::Kind::kBpe;
  data.pre_tokenizer = pre_tokenizer;
  for (const uint16_t code : kByteSpelling) {
    std::string text;
    AppendUtf8(code, &text);
    AddToken(data, text, TokenType::kNormal);
  }
  for (const std::string& merge : merges) {
    const size_t space = merge.find(' ', 1);
    AddToken(data, merge.substr(0, space) + merge.substr(space + 1), TokenType::kNormal);
  }
  data.merges = merges;
  return data;
}

// <unk> <s> </s>, the 256 byte tokens (if asked for), then `pieces`, better ones first.
inline VocabularyData PieceVocabulary(const std::vector<std::string>& pieces, bool bytes = true) {
  VocabularyData data;
  data.kind = VocabularyData::Kind::kSentencePiece;
  data.unk = AddToken(data, "<unk>", TokenType::kUnknown);
  data.bos = AddToken(data, "<s>", TokenType::kControl);
  data.eos = AddToken(data, "</s>", TokenType::kControl);
  for (int byte = 0; bytes && byte < 256; ++byte) {
    const char* const digits = "0123456789ABCDEF";
    AddToken(data, std::string("<0x") + digits[byte / 16] + digits[byte % 16] + ">",
             TokenType::kByte);
  }
  float score = 0;
  for (const std::string& piece : pieces) AddToken(data, piece, TokenType::kNormal, score--);
  return data;
}

// Pseudo-random numbers that are the same everywhere.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}
  uint32_t Below(uint32_t bound) {
    state_ = state_ * 6364136223846793005 + 1442695040888963407;
    return static_cast<uint32_t>(((state_ >> 33) * bound) >> 31);
  }

 private:
  uint64_t state_;
};

// Characters of all lengths and classes, with many spaces and letters.
inline std::string RandomText(Random& random, uint32_t max_chars) {
  static constexpr std::string_view kCommon[] = {" ",  "  ", "\n", "e", "t",  "a",   "he", "The",
                                                 "'s", "12", "é",  "…", "中", "\t ", "🦙", "."};
  std::string text;
  for (uint32_t left = random.Below(max_chars + 1); left > 0; --left) {
    if (random.Below(4) != 0) {
      text += kCommon[random.Below(std::size(kCommon))];
      continue;
    }
    const uint32_t code = random.Below(random.Below(2) == 0 ? 0x3000 : 0x110000);
    AppendUtf8(code >= 0xD800 && code <= 0xDFFF ? 'x' : code, &text);
  }
  return text;
}

inline std::string RandomBytes(Random& random, uint32_t max_bytes) {
  std::string bytes;
  for (uint32_t left = random.Below(max_bytes + 1); left > 0; --left) {
    bytes.push_back(static_cast<char>(random.Below(256)));
  }
  return bytes;
}

// "1 2 3", which tests compare and print more easily than lists.
inline std::string Join(const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) {
    if (!text.empty()) text += ' ';
    text += std::to_string(id);
  }
  return text;
}

inline std::string Spell(const Tokenizer& tokenizer, const std::vector<TokenId>& ids) {
  std::string text;
  for (const TokenId id : ids) text += (text.empty() ? "" : "|") + tokenizer.TokenText(id);
  return text;
}

}  // namespace thermocline::testing

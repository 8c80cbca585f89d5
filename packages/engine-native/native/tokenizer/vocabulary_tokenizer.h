// What every tokenizer family shares: special tokens around and inside the text,
// BOS and EOS, the kinds of tokens. A family adds how plain text becomes tokens
// and how a token becomes bytes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/special_tokens.h"
#include "tokenizer/token_index.h"
#include "tokenizer/tokenizer.h"

namespace thermocline {

class VocabularyTokenizer : public Tokenizer {
 public:
  std::vector<TokenId> Encode(std::string_view text, const EncodeOptions& options) const override;
  std::string TokenBytes(TokenId id, bool special) const override;
  const std::string& TokenText(TokenId id) const override;
  std::string Decode(std::span<const TokenId> ids, bool special) const override;
  bool IsControl(TokenId id) const override;
  bool IsEndOfGeneration(TokenId id) const override;
  const VocabularyData& vocabulary() const override { return *data_; }
  bool adds_bos() const override;

 protected:
  using TokenType = VocabularyData::TokenType;

  // REQUIRES: `data` has passed the checks of Tokenizer::Create.
  explicit VocabularyTokenizer(std::unique_ptr<VocabularyData> data);

  // Appends the tokens of `text`, which holds no special tokens and is not empty.
  // `starts` says that it stands at the beginning or right after a special token.
  virtual void EncodePlain(std::string_view text, bool starts, std::vector<TokenId>* out) const = 0;

  // The bytes of a normal, unused or byte token.
  virtual std::string PlainBytes(TokenId id) const = 0;

  // Whether the prefix space of Encode is to be taken off again by Decode.
  virtual bool DropsFirstSpace() const { return false; }

  TokenType type(TokenId id) const { return data_->types[static_cast<size_t>(id)]; }
  bool Holds(TokenId id) const { return id >= 0 && static_cast<size_t>(id) < data_->tokens.size(); }

  // On the heap and never moved, because the indexes below point into it.
  std::unique_ptr<VocabularyData> data_;
  TokenIndex index_;

 private:
  SpecialTokens user_defined_;
  SpecialTokens all_special_;
  std::vector<TokenId> end_of_generation_;  // sorted
  std::vector<TokenId> strip_right_;        // sorted; these swallow white space after them
};

// The families. REQUIRES as above; `path` goes into error messages.
Result<std::unique_ptr<Tokenizer>> CreateBpeTokenizer(std::unique_ptr<VocabularyData> data,
                                                      const std::string& path);
Result<std::unique_ptr<Tokenizer>> CreateSentencePieceTokenizer(
    std::unique_ptr<VocabularyData> data, const std::string& path);

}  // namespace thermocline

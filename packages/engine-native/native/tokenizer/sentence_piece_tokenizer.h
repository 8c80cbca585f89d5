// SentencePiece BPE: spaces are written as U+2581, every character starts as a
// symbol, and the adjacent pair whose joined text is the token with the best
// score is joined first. What is no token in the end falls back to bytes.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merge_queue.h"
#include "tokenizer/vocabulary_tokenizer.h"

namespace thermocline {

class SentencePieceTokenizer final : public VocabularyTokenizer {
 public:
  explicit SentencePieceTokenizer(std::unique_ptr<VocabularyData> data);

 private:
  void EncodePlain(std::string_view text, bool starts, std::vector<TokenId>* out) const override;
  std::string PlainBytes(TokenId id) const override;
  bool DropsFirstSpace() const override { return data_->add_space_prefix; }

  // The text with spaces normalised and written as U+2581.
  std::string Normalize(std::string_view text, bool starts) const;
  void EncodePart(std::string_view part, MergeScratch& scratch, std::vector<TokenId>* out) const;
  void AppendBytes(std::string_view bytes, std::vector<TokenId>* out) const;

  std::array<TokenId, 256> byte_tokens_;  // "<0x00>" to "<0xFF>"; -1: not there
  bool words_are_independent_;            // no token has U+2581 after another character
};

}  // namespace thermocline

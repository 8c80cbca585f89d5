// Byte-level BPE: text is split into words by a pre-tokenizer, each word starts as
// its bytes, and the merges of the vocabulary join neighbours, best rank first.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tokenizer/merge_queue.h"
#include "tokenizer/pre_tokenizer.h"
#include "tokenizer/vocabulary_tokenizer.h"

namespace thermocline {

// From two token ids to what they join to; 16 bytes a slot.
class MergeTable {
 public:
  // kModelCorrupt when a merge is no pair or names tokens that are not there.
  static Result<MergeTable> Build(const VocabularyData& data, const TokenIndex& index);

  // REQUIRES: left and right are token ids.
  Merge Find(int32_t left, int32_t right) const;

 private:
  struct Slot {
    int32_t left = -1;  // -1: empty
    int32_t right = -1;
    uint32_t rank = 0;
    int32_t joined = -1;
  };

  size_t SlotOf(int32_t left, int32_t right) const;

  std::vector<Slot> slots_;  // a power of two, at most two thirds full
};

class BpeTokenizer final : public VocabularyTokenizer {
 public:
  BpeTokenizer(std::unique_ptr<VocabularyData> data, const PreTokenizer* pre_tokenizer);

  // REQUIRES: called once, before any other use.
  Status BuildMerges();

 private:
  void EncodePlain(std::string_view text, bool starts, std::vector<TokenId>* out) const override;
  std::string PlainBytes(TokenId id) const override;

  void EncodeWord(std::string_view word, MergeScratch& scratch, std::vector<TokenId>* out) const;

  const PreTokenizer* pre_tokenizer_;
  MergeTable merges_;
  std::array<TokenId, 256> byte_tokens_;  // -1: the vocabulary has no such byte
  std::vector<TokenId> replacement_;      // stands for a byte without a token
};

}  // namespace thermocline

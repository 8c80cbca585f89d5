// Finds a token by its text: four bytes a slot beside the texts themselves.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/model_file.h"

namespace thermocline {

// Lifetime: `data` must outlive the index and keep its tokens where they are.
class TokenIndex {
 public:
  explicit TokenIndex(const VocabularyData& data);

  // The id of a token that text may turn into by itself, normal or user-defined;
  // -1 when there is none. So a control token is never made from ordinary text.
  // Of several equal tokens the first.
  int32_t Find(std::string_view text) const;

  // Whether a token of any type has this text.
  bool Holds(std::string_view text) const { return slots_[SlotOf(text)] >= 0; }

  size_t longest() const { return longest_; }  // bytes

 private:
  bool IsText(int32_t id) const;
  size_t SlotOf(std::string_view text) const;

  std::span<const VocabularyData::TokenType> types_;
  std::span<const std::string> tokens_;
  std::vector<int32_t> slots_;  // a power of two, at most two thirds full; -1: empty
  size_t longest_ = 0;
};

}  // namespace thermocline

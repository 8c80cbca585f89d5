#include "tokenizer/token_index.h"

#include <algorithm>
#include <bit>
#include <functional>

namespace thermocline {

TokenIndex::TokenIndex(const VocabularyData& data) : types_(data.types), tokens_(data.tokens) {
  slots_.assign(std::bit_ceil(tokens_.size() + tokens_.size() / 2 + 2), -1);
  for (size_t i = 0; i < tokens_.size(); ++i) {
    if (tokens_[i].empty()) continue;
    const auto id = static_cast<int32_t>(i);
    int32_t& slot = slots_[SlotOf(tokens_[i])];
    if (slot < 0 || (!IsText(slot) && IsText(id))) slot = id;
    longest_ = std::max(longest_, tokens_[i].size());
  }
}

bool TokenIndex::IsText(int32_t id) const {
  const auto type = types_[static_cast<size_t>(id)];
  return type == VocabularyData::TokenType::kNormal ||
         type == VocabularyData::TokenType::kUserDefined;
}

// The slot that holds this text, or the empty one where it would go.
size_t TokenIndex::SlotOf(std::string_view text) const {
  const size_t mask = slots_.size() - 1;
  size_t at = std::hash<std::string_view>{}(text)&mask;
  while (slots_[at] >= 0 && tokens_[static_cast<size_t>(slots_[at])] != text) at = (at + 1) & mask;
  return at;
}

int32_t TokenIndex::Find(std::string_view text) const {
  if (text.size() > longest_) return -1;
  const int32_t id = slots_[SlotOf(text)];
  return id >= 0 && IsText(id) ? id : -1;
}

}  // namespace thermocline

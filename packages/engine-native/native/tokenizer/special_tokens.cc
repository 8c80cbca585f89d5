#include "tokenizer/special_tokens.h"

#include <algorithm>

namespace thermocline {

SpecialTokens::SpecialTokens(const VocabularyData& data, bool control) : tokens_(data.tokens) {
  using Type = VocabularyData::TokenType;
  for (size_t id = 0; id < tokens_.size(); ++id) {
    const Type type = data.types[id];
    const bool wanted = type == Type::kUserDefined ||
                        (control && (type == Type::kControl || type == Type::kUnknown));
    if (!wanted || tokens_[id].empty()) continue;
    sorted_.push_back(static_cast<int32_t>(id));
    starts_[static_cast<unsigned char>(tokens_[id][0])] = true;
  }
  std::stable_sort(sorted_.begin(), sorted_.end(), [this](int32_t a, int32_t b) {
    return tokens_[static_cast<size_t>(a)] < tokens_[static_cast<size_t>(b)];
  });
}

SpecialMatch SpecialTokens::Find(std::string_view text, size_t from) const {
  if (sorted_.empty()) return {};
  for (size_t at = from; at < text.size(); ++at) {
    if (!starts_[static_cast<unsigned char>(text[at])]) continue;
    const SpecialMatch match = LongestAt(text, at);
    if (match.token >= 0) return match;
  }
  return {};
}

// Narrows the sorted list to the tokens that share one more byte with the text
// at a time, so the cost does not grow with how many tokens there are.
SpecialMatch SpecialTokens::LongestAt(std::string_view text, size_t at) const {
  SpecialMatch best;
  auto low = sorted_.begin();
  auto high = sorted_.end();
  for (size_t depth = 0; low != high; ++depth) {
    const std::string& shortest = tokens_[static_cast<size_t>(*low)];
    if (shortest.size() == depth) {
      best = {at, at + depth, *low};
      // Equal texts sort together; only the first of them counts.
      while (low != high && tokens_[static_cast<size_t>(*low)].size() == depth) ++low;
    }
    if (at + depth >= text.size()) break;
    const auto byte = static_cast<unsigned char>(text[at + depth]);
    const auto byte_of = [&](int32_t id) {
      return static_cast<unsigned char>(tokens_[static_cast<size_t>(id)][depth]);
    };
    low = std::partition_point(low, high, [&](int32_t id) { return byte_of(id) < byte; });
    high = std::partition_point(low, high, [&](int32_t id) { return byte_of(id) == byte; });
  }
  return best;
}

}  // namespace thermocline

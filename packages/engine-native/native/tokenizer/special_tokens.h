// Finds tokens that are taken from the text whole, before any splitting.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/model_file.h"

namespace thermocline {

struct SpecialMatch {
  size_t begin = 0;
  size_t end = 0;
  int32_t token = -1;  // -1: nothing more
};

// Immutable. Lifetime: `data` must outlive it and keep its tokens where they are.
class SpecialTokens {
 public:
  // User-defined tokens; with `control`, control and unknown tokens as well.
  SpecialTokens(const VocabularyData& data, bool control);

  // The leftmost match from `from` on, and of several there the longest.
  SpecialMatch Find(std::string_view text, size_t from) const;

 private:
  SpecialMatch LongestAt(std::string_view text, size_t at) const;

  std::span<const std::string> tokens_;
  std::vector<int32_t> sorted_;        // ids by text
  std::array<bool, 256> starts_ = {};  // bytes that some token begins with
};

}  // namespace thermocline

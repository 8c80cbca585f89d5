// How a byte-level BPE vocabulary cuts text into words before merging. Every
// family was trained with its own regular expressions; here each expression is a
// scanner over code points, linear in the text.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <string_view>

namespace thermocline {

// A half-open range of bytes; empty when nothing was found.
struct Match {
  size_t begin = 0;
  size_t end = 0;
};

// Finds the first match in `piece` that begins at `from` or later.
using SplitRule = Match (*)(std::string_view piece, size_t from);

// Rules apply one after the other: each cuts the pieces that the rules before it
// left into its matches and what lies between them.
struct PreTokenizer {
  std::string_view name;  // as in `tokenizer.ggml.pre`
  std::span<const SplitRule> rules;
};

// nullptr for a name that is not known.
const PreTokenizer* FindPreTokenizer(std::string_view name);

using WordSink = std::function<void(std::string_view)>;

// Calls `sink` with every word, in order; joined they are `text`.
void SplitIntoWords(const PreTokenizer& pre_tokenizer, std::string_view text, const WordSink& sink);

}  // namespace thermocline

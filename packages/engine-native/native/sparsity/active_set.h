// The neurons of a layer that are to be computed, token by token: ascending ids, so that what is
// left out costs nothing. A mask over all neurons would have to be read in full.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace thermocline {

class ActiveSet {
 public:
  ActiveSet() = default;
  // Holds up to max_tokens tokens of up to max_neurons each.
  ActiveSet(int64_t max_tokens, int64_t max_neurons);
  static uint64_t PlannedBytes(int64_t max_tokens, int64_t max_neurons);

  void Clear() { ends_.clear(); }
  // Appends a token: the neurons whose score is above the threshold, [1] or [scores]. A score that
  // is no number is above none. REQUIRES: no more tokens and neurons than there is room for.
  void Append(std::span<const float> scores, std::span<const float> threshold);
  // The same from a list; ids ascend.
  void Append(std::span<const uint32_t> ids);

  int64_t n_tokens() const { return static_cast<int64_t>(ends_.size()); }
  std::span<const uint32_t> Token(int64_t t) const {
    const size_t begin = t == 0 ? 0 : ends_[static_cast<size_t>(t - 1)];
    return {ids_.get() + begin, ends_[static_cast<size_t>(t)] - begin};
  }

 private:
  uint32_t* end() { return ids_.get() + (ends_.empty() ? 0 : ends_.back()); }
  std::unique_ptr<uint32_t[]> ids_;  // of one token after the other; pages come as they are written
  std::vector<size_t> ends_;         // [n_tokens] in ids
};

}  // namespace thermocline

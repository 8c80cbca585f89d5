#include "sparsity/active_set.h"

#include <algorithm>

namespace thermocline {

ActiveSet::ActiveSet(int64_t max_tokens, int64_t max_neurons)
    : ids_(std::make_unique_for_overwrite<uint32_t[]>(
          static_cast<size_t>(max_tokens * max_neurons))) {
  ends_.reserve(static_cast<size_t>(max_tokens));
}

uint64_t ActiveSet::PlannedBytes(int64_t max_tokens, int64_t max_neurons) {
  return static_cast<uint64_t>(max_tokens) * (4 * static_cast<uint64_t>(max_neurons) + 8);
}

// Every id is written and only those above are kept: a branch would be guessed wrong too often.
void ActiveSet::Append(std::span<const float> scores, std::span<const float> threshold) {
  uint32_t* const ids = end();
  size_t count = 0;
  const auto n = static_cast<uint32_t>(scores.size());
  if (threshold.size() == 1) {
    for (uint32_t i = 0; i < n; ++i) {
      ids[count] = i;
      count += scores[i] > threshold[0] ? 1 : 0;
    }
  } else {
    for (uint32_t i = 0; i < n; ++i) {
      ids[count] = i;
      count += scores[i] > threshold[i] ? 1 : 0;
    }
  }
  ends_.push_back(static_cast<size_t>(ids - ids_.get()) + count);
}

void ActiveSet::Append(std::span<const uint32_t> ids) {
  uint32_t* const to = end();
  std::copy(ids.begin(), ids.end(), to);
  ends_.push_back(static_cast<size_t>(to - ids_.get()) + ids.size());
}

}  // namespace thermocline

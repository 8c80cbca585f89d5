#include "engine/step.h"

#include <algorithm>

namespace thermocline {
namespace {

template <typename T>
void AddTo(std::vector<T>& sums, const std::vector<T>& values) {
  sums.resize(std::max(sums.size(), values.size()), 0);
  for (size_t i = 0; i < values.size(); ++i) sums[i] += values[i];
}

}  // namespace

void StepStats::Add(const StepStats& other) {
  tokens += other.tokens;
  time_ms += other.time_ms;
  ffn_ms += other.ffn_ms;
  for (int t = 0; t < 3; ++t) {
    bytes_read[t] += other.bytes_read[t];
    ffn_bytes_read[t] += other.ffn_bytes_read[t];
  }
  AddTo(fired, other.fired);
  AddTo(neurons, other.neurons);
  AddTo(computed, other.computed);
  AddTo(predictor_bytes, other.predictor_bytes);
  AddTo(predictor_ms, other.predictor_ms);
}

}  // namespace thermocline

#include "engine/step.h"

#include <algorithm>

namespace thermocline {

void StepStats::Add(const StepStats& other) {
  tokens += other.tokens;
  time_ms += other.time_ms;
  for (int t = 0; t < 3; ++t) {
    bytes_read[t] += other.bytes_read[t];
    ffn_bytes_read[t] += other.ffn_bytes_read[t];
  }
  fired.resize(std::max(fired.size(), other.fired.size()), 0);
  neurons.resize(std::max(neurons.size(), other.neurons.size()), 0);
  for (size_t i = 0; i < other.fired.size(); ++i) fired[i] += other.fired[i];
  for (size_t i = 0; i < other.neurons.size(); ++i) neurons[i] += other.neurons[i];
}

}  // namespace thermocline

// The Adam optimiser: every weight moves by its mean slope over the root of its mean squared slope.
#pragma once

#include <cstdint>
#include <vector>

#include "util/thread_pool.h"

namespace thermocline {

// One array of weights, with what Adam remembers of its slopes.
class AdamWeights {
 public:
  // `rate`: how far a weight moves in a step at full speed.
  AdamWeights(std::vector<float> start, double rate);

  const std::vector<float>& values() const { return values_; }
  std::vector<float> TakeValues() { return std::move(values_); }

  // Moves by slopes [values], at `speed` (0 to 1) times the rate. The same bits for any thread
  // count, on any processor.
  void Step(const std::vector<float>& slopes, double speed, ThreadPool& pool);

 private:
  std::vector<float> values_;
  std::vector<float> means_, squares_;  // decaying averages, [values]
  double rate_;
  double mean_decay_ = 1, square_decay_ = 1;  // decay^steps: how much the averages still lack
};

}  // namespace thermocline

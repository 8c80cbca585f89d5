#include "train/adam.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace thermocline {
namespace {

constexpr double kMeanDecay = 0.9;
constexpr double kSquareDecay = 0.99;  // slopes of rarely firing neurons come in bursts
constexpr float kEpsilon = 1e-12F;     // slopes of rare neurons are small, and count none the less
constexpr float kFaintest = 1e-30F;    // squares below are dropped before they turn subnormal

constexpr int64_t kChunk = 1 << 14;  // weights

void StepChunk(int64_t n, const float* __restrict slopes, float mean_rate, float square_factor,
               float* __restrict means, float* __restrict squares, float* __restrict values) {
  constexpr auto kKeepMean = static_cast<float>(kMeanDecay);
  constexpr auto kKeepSquare = static_cast<float>(kSquareDecay);
  for (int64_t i = 0; i < n; ++i) {
    const float slope = slopes[i];
    const float mean = kKeepMean * means[i] + (1.0F - kKeepMean) * slope;
    const float sum = kKeepSquare * squares[i] + (1.0F - kKeepSquare) * (slope * slope);
    const float square = sum < kFaintest ? 0.0F : sum;
    means[i] = mean;
    squares[i] = square;
    values[i] -= mean_rate * mean / (std::sqrt(square * square_factor) + kEpsilon);
  }
}

}  // namespace

AdamWeights::AdamWeights(std::vector<float> start, double rate)
    : values_(std::move(start)),
      means_(values_.size(), 0.0F),
      squares_(values_.size(), 0.0F),
      rate_(rate) {}

void AdamWeights::Step(const std::vector<float>& slopes, double speed, ThreadPool& pool) {
  mean_decay_ *= kMeanDecay;
  square_decay_ *= kSquareDecay;
  const auto mean_rate = static_cast<float>(rate_ * speed / (1 - mean_decay_));
  const auto square_factor = static_cast<float>(1 / (1 - square_decay_));
  const auto n = static_cast<int64_t>(values_.size());
  auto chunk = [&](int64_t i, int) {
    const int64_t begin = i * kChunk;
    StepChunk(std::min(kChunk, n - begin), slopes.data() + begin, mean_rate, square_factor,
              means_.data() + begin, squares_.data() + begin, values_.data() + begin);
  };
  pool.ParallelFor((n + kChunk - 1) / kChunk, chunk);
}

}  // namespace thermocline

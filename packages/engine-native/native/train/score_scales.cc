#include "train/score_scales.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "train/gemm.h"
#include "train/logistic_block.h"
#include "util/system_memory.h"

namespace thermocline {
namespace {

constexpr int64_t kBatch = 256;  // tokens
constexpr int kSteps = 10;
constexpr double kSettled = 1e-3;
constexpr double kLargestStep = 3;                // of an offset
constexpr double kLeast = 0.1, kMost = 10;        // of a slope
// Holds neurons that never fire near where they are, as one token would.
constexpr double kHold = 1;

// Of a batch, neurons by rows.
struct BatchScores {
  int64_t tokens;
  std::vector<float> scores;   // [n_ff][tokens]
  std::vector<float> weights;  // [n_ff][tokens] min(value / price, most)
};

struct Scale {
  double slope = 1;
  double offset = 0;
};

// Loss, slope and curvature over (slope, offset) of one neuron.
struct Point {
  double loss = 0;
  double by_slope = 0, by_offset = 0;
  double slope_slope = 0, slope_offset = 0, offset_offset = 0;
};

// n <= kBatch numbers, in an order that is the same for vectors of any width.
double SumOf(const float* values, int64_t n) {
  constexpr int64_t kSums = 16;
  float sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= n; i += kSums) {
    for (int64_t j = 0; j < kSums; ++j) sums[j] += values[i + j];
  }
  double total = 0;
  for (; i < n; ++i) total += static_cast<double>(values[i]);
  for (const float sum : sums) total += static_cast<double>(sum);
  return total;
}

void AddTokens(const float* __restrict scores, const float* __restrict weights, int64_t n, Scale at,
               Point* sum) {
  const auto a = static_cast<float>(at.slope), b = static_cast<float>(at.offset);
  float losses[kBatch], slopes[kBatch], curves[kBatch];
  float by_score[kBatch], curve_score[kBatch], curve_square[kBatch];
  for (int64_t t = 0; t < n; ++t) {
    const float s = scores[t], w = weights[t];
    const float u = a * s + b;
    const float magnitude = u < 0 ? -u : u;
    const float e = ExpOfMinus(magnitude > kFarthest ? kFarthest : magnitude);
    const float tail = LogOfOnePlus(e);
    const float both = 1.0F / (1.0F + e);
    const float p = (u < 0 ? e : 1.0F) * both;
    const float above = u > 0 ? u : 0.0F, below = u < 0 ? -u : 0.0F;
    losses[t] = above + tail + w * (below + tail);
    slopes[t] = p * (w + 1.0F) - w;
    curves[t] = (w + 1.0F) * e * both * both;
    by_score[t] = slopes[t] * s;
    curve_score[t] = curves[t] * s;
    curve_square[t] = curve_score[t] * s;
  }
  sum->loss += SumOf(losses, n);
  sum->by_slope += SumOf(by_score, n);
  sum->by_offset += SumOf(slopes, n);
  sum->slope_slope += SumOf(curve_square, n);
  sum->slope_offset += SumOf(curve_score, n);
  sum->offset_offset += SumOf(curves, n);
}

Point PointAt(const std::vector<BatchScores>& batches, int64_t n, Scale at) {
  Point sum;
  for (const BatchScores& batch : batches) {
    AddTokens(batch.scores.data() + n * batch.tokens, batch.weights.data() + n * batch.tokens,
              batch.tokens, at, &sum);
  }
  const double moved = at.slope - 1;
  sum.loss += kHold / 2 * (moved * moved + at.offset * at.offset);
  sum.by_slope += kHold * moved;
  sum.by_offset += kHold * at.offset;
  sum.slope_slope += kHold;
  sum.offset_offset += kHold;
  return sum;
}

// Where Newton's step leads, no further than it can be trusted.
Scale After(Scale at, const Point& p) {
  const double determinant = p.slope_slope * p.offset_offset - p.slope_offset * p.slope_offset;
  if (!(determinant > 0)) return at;
  const double slope =
      (p.by_slope * p.offset_offset - p.by_offset * p.slope_offset) / determinant;
  const double offset = (p.by_offset * p.slope_slope - p.by_slope * p.slope_offset) / determinant;
  at.slope = std::clamp(at.slope - slope, std::max(kLeast, at.slope / 2),
                        std::min(kMost, at.slope * 2));
  at.offset -= std::clamp(offset, -kLargestStep, kLargestStep);
  return at;
}

// The best scale that Newton's steps come by.
Scale BestScale(const std::vector<BatchScores>& batches, int64_t n) {
  Scale at, best;
  double least = 0;
  for (int step = 0; step <= kSteps; ++step) {
    const Point point = PointAt(batches, n, at);
    if (step == 0 || point.loss < least) {
      least = point.loss;
      best = at;
    }
    const Scale next = After(at, point);
    const double moved = std::fabs(next.slope - at.slope) + std::fabs(next.offset - at.offset);
    if (moved < kSettled) break;
    at = next;
  }
  return best;
}

// Scores and loss weights of some samples, as the predictor stands.
class Collector {
 public:
  Collector(const SampleReader& samples, std::span<const float> norms, const LossShape& loss,
            bool relu, const Kernels& kernels, ThreadPool& pool, const MlpWeights& w)
      : samples_(samples), norms_(norms), loss_(loss), relu_(relu), kernels_(kernels),
        pool_(pool), w_(w),
        x_(static_cast<size_t>(kBatch * w.d_model)),
        h_(static_cast<size_t>(kBatch * w.n_ff)),
        hidden_(static_cast<size_t>(kBatch * w.rank)),
        scores_(h_.size()) {}

  BatchScores Collect(std::span<const uint32_t> rows) {
    const auto n = static_cast<int64_t>(rows.size());
    samples_.Expand(rows, x_.data(), h_.data(), pool_);
    Multiply({x_.data(), n, w_.d_model}, {w_.down.data(), w_.rank, w_.d_model}, hidden_.data(),
             kernels_, pool_);
    if (relu_) {
      kernels_.activate(ActivationFunction::kRelu, hidden_.data(), nullptr, n * w_.rank,
                        hidden_.data());
    }
    Multiply({hidden_.data(), n, w_.rank}, {w_.up.data(), w_.n_ff, w_.rank}, scores_.data(),
             kernels_, pool_);
    auto finish = [&](int64_t t, int) {
      for (int64_t i = 0; i < w_.n_ff; ++i) {
        const auto neuron = static_cast<size_t>(i), at = static_cast<size_t>(t * w_.n_ff + i);
        scores_[at] += w_.bias[neuron];
        h_[at] = std::min(h_[at] * norms_[neuron] / loss_.price, loss_.most);
      }
    };
    pool_.ParallelFor(n, finish);
    BatchScores batch{n, std::vector<float>(static_cast<size_t>(n * w_.n_ff)),
                      std::vector<float>(static_cast<size_t>(n * w_.n_ff))};
    Transpose({scores_.data(), n, w_.n_ff}, batch.scores.data(), pool_);
    Transpose({h_.data(), n, w_.n_ff}, batch.weights.data(), pool_);
    return batch;
  }

 private:
  const SampleReader& samples_;
  const std::span<const float> norms_;
  const LossShape loss_;
  const bool relu_;
  const Kernels& kernels_;
  ThreadPool& pool_;
  const MlpWeights& w_;
  std::vector<float> x_, h_, hidden_, scores_;
};

}  // namespace

Status FitScoreScales(const SampleReader& samples, std::span<const float> value_norm,
                      const LossShape& loss, bool relu, int64_t max_rows, const Kernels& kernels,
                      const Running& running, ThreadPool& pool, MlpWeights* weights) {
  const int64_t rows = std::min(samples.rows(), max_rows), n_ff = weights->n_ff;
  RETURN_IF_ERROR(RequireMemory(static_cast<uint64_t>(rows + kBatch) *
                                    static_cast<uint64_t>(n_ff) * 2 * sizeof(float),
                                "Scaling the scores of a predictor"));
  Collector collector(samples, value_norm, loss, relu, kernels, pool, *weights);
  std::vector<BatchScores> batches;
  std::vector<uint32_t> picked;
  for (int64_t begin = 0; begin < rows; begin += kBatch) {
    RETURN_IF_ERROR(running.Report(0.5 * static_cast<double>(begin) / static_cast<double>(rows)));
    picked.clear();
    for (int64_t i = begin; i < std::min(rows, begin + kBatch); ++i) {
      picked.push_back(static_cast<uint32_t>(i * samples.rows() / rows));
    }
    batches.push_back(collector.Collect(picked));
  }

  constexpr int64_t kNeurons = 256;  // between questions whether to stop
  for (int64_t begin = 0; begin < n_ff; begin += kNeurons) {
    RETURN_IF_ERROR(
        running.Report(0.5 + 0.5 * static_cast<double>(begin) / static_cast<double>(n_ff)));
    auto neuron = [&](int64_t i, int) {
      const int64_t n = begin + i;
      const Scale scale = BestScale(batches, n);
      float* const up = weights->up.data() + n * weights->rank;
      for (int64_t r = 0; r < weights->rank; ++r) up[r] *= static_cast<float>(scale.slope);
      float& bias = weights->bias[static_cast<size_t>(n)];
      bias = static_cast<float>(scale.slope * static_cast<double>(bias) + scale.offset);
    };
    pool.ParallelFor(std::min(kNeurons, n_ff - begin), neuron);
  }
  return running.Report(1);
}

}  // namespace thermocline

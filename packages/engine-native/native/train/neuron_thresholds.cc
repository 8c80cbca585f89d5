#include "train/neuron_thresholds.h"

#include <algorithm>
#include <cmath>

#include "util/system_memory.h"

namespace thermocline {
namespace {

constexpr int64_t kBatchRows = 128;
constexpr int64_t kScaleRows = 1024;     // that means and deviations are taken from
constexpr int64_t kNeuronsPerChunk = 32;
// Bins of a neuron's scores, evenly over this many deviations on both sides of its mean.
constexpr size_t kBins = 96;
constexpr double kReach = 4;
// Samples of the average neuron that each is lent.
constexpr double kBorrowed = 200;

struct Bins {
  double value[kBins] = {};
  double count[kBins] = {};
};

// Where a neuron's bins lie.
struct Scale {
  double mean = 0;
  double deviation = 0;

  size_t Bin(float score) const {
    if (!(deviation > 0)) return 0;
    const double z = (static_cast<double>(score) - mean) / deviation;
    const double place = (z + kReach) * (static_cast<double>(kBins) / (2 * kReach));
    return static_cast<size_t>(std::clamp(place, 0.0, static_cast<double>(kBins - 1)));
  }
  // The lower end of a bin; that of the first is below all scores.
  float Edge(size_t bin) const {
    const double z = static_cast<double>(bin) * (2 * kReach / static_cast<double>(kBins)) - kReach;
    return static_cast<float>(mean + deviation * (bin == 0 ? 2 * z : z));
  }
};

class Search {
 public:
  Search(const SampleReader& samples, std::span<const float> norms, const Scorer& scorer,
         ThreadPool& pool)
      : samples_(samples), norms_(norms), scorer_(scorer), pool_(pool) {
    const auto rows = static_cast<size_t>(kBatchRows);
    x_.resize(rows * static_cast<size_t>(samples.d_model()));
    h_.resize(rows * static_cast<size_t>(samples.n_ff()));
    scores_.resize(h_.size());
    scales_.resize(static_cast<size_t>(samples.n_ff()));
    bins_.resize(scales_.size());
  }

  Result<std::vector<float>> Run(double price, int64_t max_rows, const Running& running) {
    RETURN_IF_ERROR(ForBatches(std::min(kScaleRows, max_rows), running.Part(0, 0.2),
                               [&](size_t rows) { AddScales(rows); }));
    const double n = static_cast<double>(std::min(samples_.rows(), std::min(kScaleRows, max_rows)));
    for (Scale& scale : scales_) {  // until now sums
      scale.mean /= n;
      scale.deviation = std::sqrt(std::max(0.0, scale.deviation / n - scale.mean * scale.mean));
    }
    RETURN_IF_ERROR(ForBatches(max_rows, running.Part(0.2, 1), [&](size_t rows) { AddBins(rows); }));
    return Choose(price, static_cast<double>(std::min(samples_.rows(), max_rows)));
  }

 private:
  template <typename Add>
  Status ForBatches(int64_t max_rows, const Running& running, Add add) {
    const int64_t rows = std::min(samples_.rows(), max_rows);
    std::vector<uint32_t> batch;
    for (int64_t begin = 0; begin < rows; begin += kBatchRows) {
      RETURN_IF_ERROR(running.Report(static_cast<double>(begin) / static_cast<double>(rows)));
      batch.clear();
      for (int64_t i = begin; i < std::min(rows, begin + kBatchRows); ++i) {
        batch.push_back(static_cast<uint32_t>(i * samples_.rows() / rows));
      }
      samples_.Expand(batch, x_.data(), h_.data(), pool_);
      scorer_(x_.data(), static_cast<int64_t>(batch.size()), scores_.data());
      add(batch.size());
    }
    return Status::Ok();
  }

  // each(row, neuron, place in the batch): a neuron's rows in order, on one thread.
  template <typename Each>
  void ForNeurons(size_t rows, Each each) {
    const size_t n_ff = scales_.size();
    auto chunk = [&](int64_t i, int) {
      const size_t begin = static_cast<size_t>(i * kNeuronsPerChunk);
      const size_t end = std::min(n_ff, begin + static_cast<size_t>(kNeuronsPerChunk));
      for (size_t row = 0; row < rows; ++row) {
        for (size_t n = begin; n < end; ++n) each(n, row * n_ff + n);
      }
    };
    pool_.ParallelFor((samples_.n_ff() + kNeuronsPerChunk - 1) / kNeuronsPerChunk, chunk);
  }

  void AddScales(size_t rows) {
    ForNeurons(rows, [&](size_t n, size_t at) {
      const auto score = static_cast<double>(scores_[at]);
      scales_[n].mean += score;
      scales_[n].deviation += score * score;
    });
  }

  void AddBins(size_t rows) {
    ForNeurons(rows, [&](size_t n, size_t at) {
      const size_t bin = scales_[n].Bin(scores_[at]);
      bins_[n].count[bin] += 1;
      bins_[n].value[bin] += static_cast<double>(h_[at]) * static_cast<double>(norms_[n]);
    });
  }

  std::vector<float> Choose(double price, double rows) const {
    Bins all;
    for (const Bins& own : bins_) {
      for (size_t bin = 0; bin < kBins; ++bin) {
        all.count[bin] += own.count[bin];
        all.value[bin] += own.value[bin];
      }
    }
    const double lent = kBorrowed / (rows * static_cast<double>(bins_.size()));
    std::vector<float> thresholds;
    for (size_t n = 0; n < bins_.size(); ++n) {
      double gain = 0, best = 0;
      size_t chosen = kBins;  // above everything: never predicted
      for (size_t bin = kBins; bin-- > 0;) {
        const double count = bins_[n].count[bin] + lent * all.count[bin];
        const double value = bins_[n].value[bin] + lent * all.value[bin];
        gain += value - price * count;
        if (gain > best) best = gain, chosen = bin;
      }
      thresholds.push_back(scales_[n].Edge(chosen));
    }
    return thresholds;
  }

  const SampleReader& samples_;
  std::span<const float> norms_;
  const Scorer& scorer_;
  ThreadPool& pool_;
  std::vector<float> x_, h_, scores_;
  std::vector<Scale> scales_;
  std::vector<Bins> bins_;
};

}  // namespace

Result<std::vector<float>> BestThresholds(const SampleReader& samples,
                                          std::span<const float> norms, const Scorer& scorer,
                                          double price, int64_t max_rows, const Running& running,
                                          ThreadPool& pool) {
  const auto n_ff = static_cast<uint64_t>(samples.n_ff());
  const auto d_model = static_cast<uint64_t>(samples.d_model());
  RETURN_IF_ERROR(RequireMemory(n_ff * (sizeof(Bins) + 8 * kBatchRows) + d_model * 4 * kBatchRows,
                                "Choosing a layer's thresholds"));
  return Search(samples, norms, scorer, pool).Run(price, max_rows, running);
}

}  // namespace thermocline

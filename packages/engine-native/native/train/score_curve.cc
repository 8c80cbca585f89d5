#include "train/score_curve.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>

namespace thermocline {
namespace {

constexpr int64_t kMaxPoints = 1024;
// Rows of a batch go to a fixed number of lanes, whose sums are added in their order: the same
// bits whoever computes a lane.
constexpr int64_t kLanes = 16;
constexpr int64_t kRowsPerLane = 8;
constexpr int64_t kBatchRows = kLanes * kRowsPerLane;
// What the grid is chosen from.
constexpr int64_t kSampledRows = 512;
constexpr size_t kSampledScores = 1 << 17;  // of what fires, and of all

// Scores batches of rows, thresholds taken off.
class Batches {
 public:
  Batches(const SampleReader& samples, std::span<const float> thresholds, const Scorer& scorer,
          ThreadPool& pool)
      : samples_(samples), thresholds_(thresholds), scorer_(scorer), pool_(pool) {
    const auto rows = static_cast<size_t>(std::min(kBatchRows, samples.rows()));
    x_.resize(rows * static_cast<size_t>(samples.d_model()));
    scores_.resize(rows * static_cast<size_t>(samples.n_ff()));
  }

  // At most kBatchRows.
  void Score(std::span<const uint32_t> rows) {
    samples_.Expand(rows, x_.data(), nullptr, pool_);
    scorer_(x_.data(), static_cast<int64_t>(rows.size()), scores_.data());
    auto subtract = [&](int64_t row, int) {
      float* const score = scores_.data() + row * samples_.n_ff();
      const auto n = static_cast<size_t>(samples_.n_ff());
      for (size_t i = 0; i < n; ++i) score[i] -= thresholds_[thresholds_.size() == 1 ? 0 : i];
    };
    pool_.ParallelFor(static_cast<int64_t>(rows.size()), subtract);
  }
  const float* scores(int64_t row_of_batch) const {
    return scores_.data() + row_of_batch * samples_.n_ff();
  }

 private:
  const SampleReader& samples_;
  std::span<const float> thresholds_;
  const Scorer& scorer_;
  ThreadPool& pool_;
  std::vector<float> x_;
  std::vector<float> scores_;
};

// Quantiles of `from` at the shares (i / n)², i in [0, n): of the smallest first.
void AddQuantiles(std::vector<float> from, int64_t n, bool largest_first,
                  std::vector<float>& into) {
  if (from.empty()) return;
  std::sort(from.begin(), from.end());
  if (largest_first) std::reverse(from.begin(), from.end());
  for (int64_t i = 0; i < n; ++i) {
    const double share = static_cast<double>(i) / static_cast<double>(n);
    into.push_back(from[static_cast<size_t>(share * share * static_cast<double>(from.size()))]);
  }
}

// At most kSampledScores of them, a prime number of places apart so that every neuron gets its turn.
std::vector<float> Thinned(const std::vector<float>& scores) {
  if (scores.size() <= kSampledScores) return scores;
  constexpr size_t kPrime = 1'000'003;
  std::vector<float> thinned;
  for (size_t i = 0, at = 0; i < kSampledScores; ++i, at = (at + kPrime) % scores.size()) {
    thinned.push_back(scores[at]);
  }
  return thinned;
}

// Thresholds, ascending and different from one another, of a sample of rows and neurons.
Result<std::vector<float>> ChooseGrid(const SampleReader& samples, Batches& batches,
                                      int64_t points, const Running& running) {
  const int64_t n_ff = samples.n_ff();
  const int64_t step = std::max<int64_t>(1, samples.rows() / kSampledRows);
  const int64_t n_rows = (samples.rows() + step - 1) / step;
  std::vector<float> all, firing;
  for (int64_t begin = 0; begin < n_rows; begin += kBatchRows) {
    RETURN_IF_ERROR(running.Report(static_cast<double>(begin) / static_cast<double>(n_rows)));
    std::vector<uint32_t> rows;
    for (int64_t i = begin; i < std::min(n_rows, begin + kBatchRows); ++i) {
      rows.push_back(static_cast<uint32_t>(i * step));
    }
    batches.Score(rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      const float* const scores = batches.scores(static_cast<int64_t>(i));
      all.insert(all.end(), scores, scores + n_ff);
      samples.ForEachFiring(rows[i], [&](size_t n, float) { firing.push_back(scores[n]); });
    }
  }
  const auto not_finite = [](float score) { return !std::isfinite(score); };
  if (std::any_of(all.begin(), all.end(), not_finite) ||
      std::any_of(firing.begin(), firing.end(), not_finite)) {
    return Status(StatusCode::kInvalidArgument, "the predictor's scores are not finite numbers");
  }
  std::vector<float> grid;
  AddQuantiles(Thinned(firing), (points - 1) / 2, false, grid);
  AddQuantiles(Thinned(all), points - 1 - static_cast<int64_t>(grid.size()), true, grid);
  std::sort(grid.begin(), grid.end());
  grid.erase(std::unique(grid.begin(), grid.end()), grid.end());
  return grid;
}

// Finds the place of a score among the thresholds: a table of evenly spaced scores says where to
// begin, and a step or two remain.
class Grid {
 public:
  explicit Grid(std::vector<float> thresholds) : thresholds_(std::move(thresholds)) {
    if (thresholds_.empty()) return;
    const float width = thresholds_.back() - thresholds_.front();
    if (!(width > 0) || !std::isfinite(static_cast<float>(kCells) / width) ||
        !std::isfinite(width)) {
      return;  // no even spacing: every search begins at the first
    }
    cells_per_score_ = static_cast<float>(kCells) / width;
    size_t place = 0;
    for (int64_t cell = 0; cell < kCells; ++cell) {
      const float begin =
          thresholds_.front() + width * (static_cast<float>(cell) / static_cast<float>(kCells));
      while (thresholds_[place] < begin) ++place;
      first_[static_cast<size_t>(cell)] = static_cast<uint32_t>(place);
    }
  }

  const std::vector<float>& thresholds() const { return thresholds_; }

  // How many thresholds the score is above.
  size_t Place(float score) const {
    if (thresholds_.empty() || !(score > thresholds_.front())) return 0;
    if (score > thresholds_.back()) return thresholds_.size();
    size_t place = 0;
    if (cells_per_score_ > 0) {
      const float cell = (score - thresholds_.front()) * cells_per_score_;
      place = first_[static_cast<size_t>(std::min(cell, static_cast<float>(kCells - 1)))];
    }
    while (place > 0 && thresholds_[place - 1] >= score) --place;
    while (thresholds_[place] < score) ++place;
    return place;
  }

 private:
  static constexpr int64_t kCells = 4096;
  std::vector<float> thresholds_;
  float cells_per_score_ = 0;  // 0: no table
  std::array<uint32_t, kCells> first_{};
};

// What fell between two neighbours of the grid: entry i is at or below grid[i] and above the one
// before it, the last above all.
struct Histogram {
  std::vector<uint64_t> scores, hits;
  std::vector<double> value;
  float lowest = std::numeric_limits<float>::max();
  bool finite = true;

  explicit Histogram(size_t points) : scores(points + 1), hits(points + 1), value(points + 1) {}

  void AddRow(const SampleReader& samples, int64_t row, std::span<const float> norms,
              const Grid& grid, const float* score) {
    for (int64_t n = 0; n < samples.n_ff(); ++n) {
      lowest = std::min(lowest, score[n]);
      finite = finite && std::isfinite(score[n]);
      ++scores[grid.Place(score[n])];
    }
    samples.ForEachFiring(row, [&](size_t n, float h) {
      const size_t at = grid.Place(score[n]);
      ++hits[at];
      value[at] += static_cast<double>(h) * static_cast<double>(norms[n]);
    });
  }

  void Add(const Histogram& other) {
    for (size_t i = 0; i < scores.size(); ++i) {
      scores[i] += other.scores[i];
      hits[i] += other.hits[i];
      value[i] += other.value[i];
    }
    lowest = std::min(lowest, other.lowest);
    finite = finite && other.finite;
  }
};

// A shift so low that every score stays above it, rounded as it is when it is added to thresholds.
float BelowAll(float lowest, std::span<const float> thresholds) {
  float largest = std::fabs(lowest);
  for (const float threshold : thresholds) largest = std::max(largest, std::fabs(threshold));
  return lowest - std::max(largest * 1e-6F, 1e-6F);
}

ScoreCurve ToCurve(const Histogram& histogram, const std::vector<float>& grid,
                   std::span<const float> thresholds, int64_t tokens) {
  const size_t points = grid.size() + 1;
  ScoreCurve curve;
  curve.tokens = tokens;
  curve.predicted.resize(points);
  curve.hits.resize(points);
  curve.hit_value.resize(points);
  uint64_t predicted = 0, hits = 0;
  double value = 0;
  for (size_t i = points; i-- > 0;) {  // point i is above grid[i - 1]; point 0 above nothing
    curve.predicted[i] = predicted += histogram.scores[i];
    curve.hits[i] = hits += histogram.hits[i];
    curve.hit_value[i] = value += histogram.value[i];
  }
  curve.firing = hits;
  curve.firing_value = value;
  curve.shifts.push_back(BelowAll(tokens > 0 ? std::min(histogram.lowest, grid[0]) : 0, thresholds));
  curve.shifts.insert(curve.shifts.end(), grid.begin(), grid.end());
  return curve;
}

}  // namespace

Result<ScoreCurve> MeasureScoreCurve(const SampleReader& samples, std::span<const float> norms,
                                     std::span<const float> thresholds, const Scorer& scorer,
                                     int64_t points, const Running& running, ThreadPool& pool) {
  if (points < 3 || points > kMaxPoints) {
    return Status(StatusCode::kInvalidArgument,
                  "a curve has 3 to " + std::to_string(kMaxPoints) + " points");
  }
  const auto n_ff = static_cast<size_t>(samples.n_ff());
  if (norms.size() != n_ff || (thresholds.size() != 1 && thresholds.size() != n_ff)) {
    return Status(StatusCode::kInvalidArgument,
                  "norms or thresholds do not have one number for each of " +
                      std::to_string(n_ff) + " neurons");
  }
  Batches batches(samples, thresholds, scorer, pool);
  ASSIGN_OR_RETURN(std::vector<float> chosen,
                   ChooseGrid(samples, batches, points, running.Part(0, 0.1)));
  const Grid grid(std::move(chosen));
  std::vector<Histogram> lanes(kLanes, Histogram(grid.thresholds().size()));
  std::vector<uint32_t> rows;
  for (int64_t begin = 0; begin < samples.rows(); begin += kBatchRows) {
    RETURN_IF_ERROR(running.Report(0.1 + 0.9 * static_cast<double>(begin) /
                                             static_cast<double>(samples.rows())));
    rows.resize(static_cast<size_t>(std::min(kBatchRows, samples.rows() - begin)));
    std::iota(rows.begin(), rows.end(), static_cast<uint32_t>(begin));
    batches.Score(rows);
    auto add = [&](int64_t lane, int) {
      const int64_t end = std::min(static_cast<int64_t>(rows.size()), (lane + 1) * kRowsPerLane);
      for (int64_t i = lane * kRowsPerLane; i < end; ++i) {
        lanes[static_cast<size_t>(lane)].AddRow(samples, begin + i, norms, grid,
                                                batches.scores(i));
      }
    };
    pool.ParallelFor(kLanes, add);
  }
  for (size_t lane = 1; lane < lanes.size(); ++lane) lanes[0].Add(lanes[lane]);
  if (!lanes[0].finite) {
    return Status(StatusCode::kInvalidArgument, "the predictor's scores are not finite numbers");
  }
  return ToCurve(lanes[0], grid.thresholds(), thresholds, samples.rows());
}

}  // namespace thermocline

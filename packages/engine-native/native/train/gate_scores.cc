#include "train/gate_scores.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>

#include "train/gemm.h"

namespace thermocline {
namespace {

constexpr int64_t kBatchRows = 128;
constexpr int64_t kColumnsPerChunk = 64;
// Score of the average neuron, as a share of its own, that each is lent.
constexpr double kBorrowed = 0.01;

}  // namespace

Status CheckGate(const Gate& gate, int64_t n_ff, int64_t d_model) {
  const auto n = static_cast<size_t>(n_ff);
  if (gate.weights.size() != n * static_cast<size_t>(d_model) ||
      (!gate.bias.empty() && gate.bias.size() != n)) {
    return Status(StatusCode::kInvalidArgument,
                  "the first matrix is not [" + std::to_string(n_ff) + ", " +
                      std::to_string(d_model) + "] as the samples say");
  }
  const auto finite = [](float value) { return std::isfinite(value); };
  if (std::all_of(gate.weights.begin(), gate.weights.end(), finite) &&
      std::all_of(gate.bias.begin(), gate.bias.end(), finite)) {
    return Status::Ok();
  }
  return Status(StatusCode::kInvalidArgument, "the first matrix is not finite");
}

void ScoreGate(const Gate& gate, const float* x, int64_t n_tokens, int64_t n_ff, int64_t d_model,
               const Kernels& kernels, ThreadPool& pool, float* scores) {
  Multiply({x, n_tokens, d_model}, {gate.weights.data(), n_ff, d_model}, scores, kernels, pool);
  auto activate = [&](int64_t token, int) {
    float* const row = scores + token * n_ff;
    if (!gate.bias.empty()) kernels.add(gate.bias.data(), n_ff, row);
    kernels.activate(gate.activation, row, nullptr, n_ff, row);
    for (int64_t n = 0; n < n_ff; ++n) row[n] = std::fabs(row[n]);
  };
  pool.ParallelFor(n_tokens, activate);
}

Result<GateSums> MeasureGateSums(const Gate& gate, const SampleReader& samples,
                                 std::span<const float> norms, int64_t max_rows,
                                 const Kernels& kernels, const Running& running,
                                 ThreadPool& pool) {
  const int64_t n_ff = samples.n_ff(), d = samples.d_model();
  const int64_t rows = std::min(samples.rows(), max_rows);
  std::vector<float> x(static_cast<size_t>(kBatchRows * d));
  std::vector<float> h(static_cast<size_t>(kBatchRows * n_ff)), scores(h.size());
  const auto n = static_cast<size_t>(n_ff);
  GateSums sums{rows, std::vector<double>(n), std::vector<double>(n)};
  std::vector<uint32_t> batch;
  for (int64_t begin = 0; begin < rows; begin += kBatchRows) {
    RETURN_IF_ERROR(running.Report(static_cast<double>(begin) / static_cast<double>(rows)));
    batch.clear();
    for (int64_t i = begin; i < std::min(rows, begin + kBatchRows); ++i) {
      batch.push_back(static_cast<uint32_t>(i * samples.rows() / rows));
    }
    samples.Expand(batch, x.data(), h.data(), pool);
    ScoreGate(gate, x.data(), static_cast<int64_t>(batch.size()), n_ff, d, kernels, pool,
              scores.data());
    auto add = [&](int64_t chunk, int) {
      const int64_t end = std::min(n_ff, (chunk + 1) * kColumnsPerChunk);
      for (size_t row = 0; row < batch.size(); ++row) {
        for (auto i = static_cast<size_t>(chunk * kColumnsPerChunk); i < static_cast<size_t>(end); ++i) {
          sums.value[i] += static_cast<double>(h[row * n + i]) * static_cast<double>(norms[i]);
          sums.score[i] += static_cast<double>(scores[row * n + i]);
        }
      }
    };
    pool.ParallelFor((n_ff + kColumnsPerChunk - 1) / kColumnsPerChunk, add);
  }
  return sums;
}

std::vector<float> GateScales(const GateSums& sums) {
  const double value = std::accumulate(sums.value.begin(), sums.value.end(), 0.0);
  const double score = std::accumulate(sums.score.begin(), sums.score.end(), 0.0);
  const double borrowed = kBorrowed * score / static_cast<double>(sums.score.size());
  std::vector<float> scales(sums.value.size());
  for (size_t n = 0; score > 0 && n < scales.size(); ++n) {
    scales[n] = static_cast<float>((sums.value[n] + borrowed * (value / score)) /
                                   (sums.score[n] + borrowed));
  }
  return scales;
}

}  // namespace thermocline

#include "train/input_moments.h"

#include <algorithm>

#include "train/gram.h"
#include "util/system_memory.h"

namespace thermocline {
namespace {

constexpr int64_t kBatchRows = 1024;

// Adds each column of x [rows][cols] to sums [cols].
void AddColumns(const float* x, int64_t rows, int64_t cols, std::vector<double>& sums) {
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t c = 0; c < cols; ++c) sums[static_cast<size_t>(c)] += static_cast<double>(x[row * cols + c]);
  }
}

}  // namespace

Result<InputMoments> MeasureInputs(const SampleReader& samples, int64_t max_rows,
                                   const Kernels& kernels, const Running& running,
                                   ThreadPool& pool) {
  if (samples.rows() == 0) {
    return Status(StatusCode::kInvalidArgument, "there are no samples to fit a predictor to");
  }
  const int64_t d = samples.d_model();
  const int64_t rows = std::min(samples.rows(), std::max<int64_t>(1, max_rows));
  RETURN_IF_ERROR(RequireMemory(static_cast<uint64_t>(d) * static_cast<uint64_t>(2 * d + 2 * kBatchRows) * 4,
                                "The second moments of a layer's inputs"));
  const auto picked = [&](int64_t i) { return static_cast<uint32_t>(i * samples.rows() / rows); };
  std::vector<float> x(static_cast<size_t>(kBatchRows * d)), x_t(x.size());
  std::vector<uint32_t> batch;
  const auto expand = [&](int64_t begin) {
    batch.clear();
    for (int64_t i = begin; i < std::min(rows, begin + kBatchRows); ++i) batch.push_back(picked(i));
    samples.Expand(batch, x.data(), nullptr, pool);
    return static_cast<int64_t>(batch.size());
  };

  // The mean first: taken off before squares are summed, nothing of their digits is lost.
  std::vector<double> sums(static_cast<size_t>(d));
  for (int64_t begin = 0; begin < rows; begin += kBatchRows) {
    AddColumns(x.data(), expand(begin), d, sums);
  }
  InputMoments moments;
  for (const double sum : sums) moments.mean.push_back(static_cast<float>(sum / static_cast<double>(rows)));

  moments.covariance.resize(static_cast<size_t>(d * d));
  std::vector<float> product(moments.covariance.size());
  for (int64_t begin = 0; begin < rows; begin += kBatchRows) {
    RETURN_IF_ERROR(running.Report(static_cast<double>(begin) / static_cast<double>(rows)));
    const int64_t n = expand(begin);
    auto centre = [&](int64_t row, int) {
      for (int64_t c = 0; c < d; ++c) x[static_cast<size_t>(row * d + c)] -= moments.mean[static_cast<size_t>(c)];
    };
    pool.ParallelFor(n, centre);
    Transpose({x.data(), n, d}, x_t.data(), pool);
    MultiplyBySelf({x_t.data(), d, n}, product.data(), kernels, pool);
    auto add = [&](int64_t row, int) {
      kernels.add(product.data() + row * d, d, moments.covariance.data() + row * d);
    };
    pool.ParallelFor(d, add);
  }
  auto divide = [&](int64_t row, int) {
    for (int64_t c = 0; c < d; ++c) moments.covariance[static_cast<size_t>(row * d + c)] /= static_cast<float>(rows);
  };
  pool.ParallelFor(d, divide);
  return moments;
}

}  // namespace thermocline

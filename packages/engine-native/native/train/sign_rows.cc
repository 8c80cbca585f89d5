#include "train/sign_rows.h"

namespace thermocline {

std::vector<uint8_t> PackSigns(const float* weights, int64_t n_ff, int64_t d_model,
                               ThreadPool& pool) {
  const int64_t row_bytes = (d_model + 7) / 8;
  std::vector<uint8_t> signs(static_cast<size_t>(n_ff * row_bytes));
  auto pack = [&](int64_t row, int) {
    const float* const weight = weights + row * d_model;
    uint8_t* const out = signs.data() + row * row_bytes;
    for (int64_t c = 0; c < d_model; ++c) {
      const unsigned bit = weight[c] < 0 ? 1U << (c % 8) : 0U;
      out[c / 8] = static_cast<uint8_t>(out[c / 8] | bit);
    }
  };
  pool.ParallelFor(n_ff, pack);
  return signs;
}

}  // namespace thermocline

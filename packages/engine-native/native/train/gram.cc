#include "train/gram.h"

#include <algorithm>
#include <vector>

namespace thermocline {

void MultiplyBySelf(MatrixView a, float* out, const Kernels& kernels, ThreadPool& pool) {
  constexpr int64_t kBlock = 512;
  const int64_t n = a.rows;
  std::vector<float> block(static_cast<size_t>(std::min(n, kBlock) * n));
  for (int64_t begin = 0; begin < n; begin += kBlock) {
    const int64_t end = std::min(n, begin + kBlock);
    const MatrixView rows{a.data + begin * a.cols, end - begin, a.cols};
    Multiply(rows, {a.data, end, a.cols}, block.data(), kernels, pool);  // up to the diagonal
    auto place = [&](int64_t i, int) {
      const float* const row = block.data() + i * end;
      std::copy_n(row, end, out + (begin + i) * n);
    };
    pool.ParallelFor(end - begin, place);
  }
  auto mirror = [&](int64_t row, int) {
    const int64_t known = std::min(n, (row / kBlock + 1) * kBlock);
    for (int64_t c = known; c < n; ++c) out[row * n + c] = out[c * n + row];
  };
  pool.ParallelFor(n, mirror);
}

}  // namespace thermocline

#include "train/gram.h"

#include <random>
#include <vector>

#include "util/testing.h"

namespace thermocline {
namespace {

TEST(Gram, HasTheBitsOfTheFullProduct) {
  const Kernels& kernels = *SelectKernels("auto");
  ThreadPool pool(3);
  for (const int64_t rows : {1, 40, 512, 513, 1100}) {
    const int64_t cols = 37;
    std::mt19937 random(static_cast<uint32_t>(rows));
    std::normal_distribution<float> normal;
    std::vector<float> a(static_cast<size_t>(rows * cols));
    for (float& value : a) value = normal(random);
    const auto size = static_cast<size_t>(rows * rows);
    std::vector<float> full(size), half(size, -1.0F);
    const MatrixView view{a.data(), rows, cols};
    Multiply(view, view, full.data(), kernels, pool);
    MultiplyBySelf(view, half.data(), kernels, pool);
    EXPECT_TRUE(full == half);
  }
  MultiplyBySelf({nullptr, 0, 5}, nullptr, kernels, pool);
}

}  // namespace
}  // namespace thermocline

#include "train/sign_rows.h"

#include "util/testing.h"

namespace thermocline {
namespace {

TEST(SignRows, SetsTheBitsOfNegativeWeights) {
  ThreadPool pool(2);
  // Two rows of ten: two bytes each, the last six bits unused.
  const std::vector<float> weights = {-1, 0,  -0.0F, 2, -3, 1, 1, -1e-40F, 5, -6,
                                      1,  -1, 1,     1, 1,  1, 1, 1,       1, 1};
  const std::vector<uint8_t> signs = PackSigns(weights.data(), 2, 10, pool);
  EXPECT_TRUE(signs == (std::vector<uint8_t>{0b10010001, 0b10, 0b10, 0}));
}

}  // namespace
}  // namespace thermocline

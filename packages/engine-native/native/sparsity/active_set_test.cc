#include "sparsity/active_set.h"

#include <algorithm>
#include <limits>
#include <random>

#include "util/testing.h"

namespace thermocline {
namespace {

using Ids = std::vector<uint32_t>;

Ids ListOf(const ActiveSet& set, int64_t token) {
  const auto ids = set.Token(token);
  return {ids.begin(), ids.end()};
}

TEST(ActiveSet, ListsScoresAboveTheThreshold) {
  ActiveSet set(3, 5);
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> scores = {1.0F, -1.0F, 0.5F, nan, 2.0F};
  set.Append(scores, std::vector<float>{0.5F});
  set.Append(scores, std::vector<float>{1.0F, -2.0F, 0.0F, 0.0F, 3.0F});
  set.Append(scores, std::vector<float>{-2.0F});
  ASSERT_EQ(set.n_tokens(), 3);
  EXPECT_TRUE((ListOf(set, 0) == Ids{0, 4}));
  EXPECT_TRUE((ListOf(set, 1) == Ids{1, 2}));
  EXPECT_TRUE((ListOf(set, 2) == Ids{0, 1, 2, 4}));
  set.Clear();
  EXPECT_EQ(set.n_tokens(), 0);
}

TEST(ActiveSet, KeepsTokensApart) {
  std::mt19937 random(1);
  const int64_t tokens = 40, neurons = 333;
  ActiveSet set(tokens, neurons);
  std::vector<Ids> expected;
  for (int64_t t = 0; t < tokens; ++t) {
    const auto keep = static_cast<uint32_t>(random() % 5);
    Ids ids;
    std::vector<float> scores(neurons);
    for (uint32_t i = 0; i < neurons; ++i) {
      if (random() % 4 < keep) ids.push_back(i), scores[i] = 1;
    }
    if (t % 2 == 0) {
      set.Append(ids);
    } else {
      set.Append(scores, std::vector<float>{0.0F});
    }
    expected.push_back(ids);
  }
  for (int64_t t = 0; t < tokens; ++t) {
    EXPECT_TRUE(ListOf(set, t) == expected[static_cast<size_t>(t)]);
  }
}

}  // namespace
}  // namespace thermocline

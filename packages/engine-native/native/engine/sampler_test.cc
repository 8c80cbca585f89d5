#include "engine/sampler.h"

#include <cmath>
#include <map>

#include "util/testing.h"

namespace thermocline {
namespace {

const std::vector<float> kLogits{0.0F, 3.0F, 1.0F, 2.0F, 3.0F};

std::map<TokenId, int> Draw(SamplingOptions options, int n = 4000) {
  Sampler sampler(options);
  std::map<TokenId, int> counts;
  for (int i = 0; i < n; ++i) ++counts[sampler.Sample(kLogits, {})];
  return counts;
}

SamplingOptions Warm() {
  SamplingOptions options;
  options.temperature = 1;
  options.seed = 11;
  return options;
}

TEST(Sampler, GreedyTakesTheLowestOfTheBest) {
  Sampler sampler({});
  EXPECT_EQ(sampler.Sample(kLogits, {}), 1);
}

TEST(Sampler, DrawsWithTheSoftmaxProbabilities) {
  double total = 0;
  for (const float logit : kLogits) total += std::exp(logit);
  const auto counts = Draw(Warm(), 20000);
  for (size_t i = 0; i < kLogits.size(); ++i) {
    EXPECT_NEAR(counts.at(static_cast<TokenId>(i)) / 20000.0, std::exp(kLogits[i]) / total, 0.015);
  }
}

TEST(Sampler, FiltersKeepWhatTheySay) {
  SamplingOptions options = Warm();
  options.top_k = 2;
  EXPECT_EQ(Draw(options).size(), 2U);
  options = Warm();
  options.top_p = 0.5;  // the best two have 0.38 each
  EXPECT_EQ(Draw(options).size(), 2U);
  options = Warm();
  options.min_p = 0.3;  // e^-1 = 0.37 stays, e^-2 goes
  const auto counts = Draw(options);
  EXPECT_EQ(counts.size(), 3U);
  EXPECT_EQ(counts.count(2), 0U);
  options.top_p = 1e-9;
  options.min_p = 0.999;
  EXPECT_EQ(Draw(options).begin()->first, 1);
}

TEST(Sampler, PenalisesRecentTokensOnce) {
  SamplingOptions options;
  options.repeat_penalty = 1.2;
  Sampler sampler(options);
  const std::vector<TokenId> recent{1, 1, 1, 1};
  EXPECT_EQ(sampler.Sample(kLogits, recent), 4);
  const std::vector<TokenId> both{1, 4};
  EXPECT_EQ(sampler.Sample(kLogits, both), 1);  // 2.5 each, still ahead of 2
  options.repeat_window = 1;
  Sampler narrow(options);
  const std::vector<TokenId> old{1, 4, 0};
  EXPECT_EQ(narrow.Sample(kLogits, old), 1);
  const std::vector<float> negative{-1.0F, -1.1F};
  const std::vector<TokenId> first{0};
  EXPECT_EQ(sampler.Sample(negative, first), 1);
}

TEST(Sampler, RefusesWhatMakesNoSense) {
  const auto refused = [](auto set) {
    SamplingOptions options;
    set(options);
    EXPECT_STATUS(ValidateSampling(options), StatusCode::kInvalidArgument);
  };
  refused([](auto& o) { o.temperature = -1; });
  refused([](auto& o) { o.temperature = std::nan(""); });
  refused([](auto& o) { o.top_k = -1; });
  refused([](auto& o) { o.top_p = 0; });
  refused([](auto& o) { o.top_p = 1.5; });
  refused([](auto& o) { o.min_p = 1; });
  refused([](auto& o) { o.repeat_penalty = 0; });
  refused([](auto& o) { o.repeat_window = -1; });
  EXPECT_OK(ValidateSampling({}));
}

}  // namespace
}  // namespace thermocline

// Activations that are left out because they are small.
#include <cmath>

#include "model/sparse_ffn_testing.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using namespace ffn_testing;

TEST(SparseFfn, ThresholdsLeaveOutSmallActivations) {
  for (const WeightKind type : WeightKinds()) {
    // Not gated: what is compared is h itself.
    const auto bench = Bench::Make(Model("opt", type, "gelu"));
    ASSERT_TRUE(bench != nullptr);
    const int64_t n = bench->n();
    std::vector<float> dense_h;
    bench->Choose({}, {}, 0, kMaxTokens, nullptr, &dense_h);
    std::vector<float> by_neuron;
    for (int64_t i = 0; i < n; ++i) by_neuron.push_back(0.1F * static_cast<float>(i % 5));
    for (const std::vector<float>& threshold : {std::vector<float>{0.1F}, by_neuron}) {
      for (const int64_t split : {int64_t{0}, int64_t{100}}) {
        const LayerPlan plan{Shuffled(n, 7), {split, n}};
        std::vector<float> plan_h, h;
        bench->Choose({}, plan, 0, kMaxTokens, nullptr, &plan_h);
        FfnTotals totals;
        const auto batch = bench->Choose({false, threshold, nullptr}, plan, 0, kMaxTokens, &totals,
                                         &h);
        uint64_t kept = 0;
        for (size_t i = 0; i < h.size(); ++i) {
          const size_t id = i % static_cast<size_t>(n);
          const float t = threshold[threshold.size() == 1 ? 0 : id];
          const bool above = std::fabs(plan_h[i]) > t;
          kept += above ? 1 : 0;
          EXPECT_TRUE(h[i] == (above ? plan_h[i] : 0.0F));
        }
        uint64_t computed = 0;
        for (const uint64_t c : totals.computed) computed += c;
        EXPECT_EQ(computed, kept);
        EXPECT_GT(kept, h.size() / 10);
        EXPECT_LT(kept, 9 * h.size() / 10);
        for (int64_t t = 0; t < kMaxTokens; t += testing::Stride(4)) {
          const auto y = bench->Choose({false, threshold, nullptr}, plan, t, 1);
          EXPECT_TRUE(std::equal(y.begin(), y.end(), batch.begin() + t * bench->d()));
        }
      }
    }
  }
}

TEST(SparseFfn, ThresholdsGoByTheGateWhereThereIsOne) {
  for (const WeightKind type : WeightKinds()) {
    const auto silu = Bench::Make(Model("llama", type, "silu"));
    const auto relu = Bench::Make(Model("llama", type, "relu"));
    ASSERT_TRUE(silu != nullptr && relu != nullptr);
    const std::vector<float> zero = {0}, none = {-1}, all = {1e30F}, some = {0.1F};
    for (const int64_t tokens : {1, 6}) {
      // None left out: dense. All: nothing. With ReLU and 0: exact.
      EXPECT_TRUE(silu->Choose({false, none, nullptr}, {}, 0, tokens) ==
                  silu->Choose({}, {}, 0, tokens));
      FfnTotals totals;
      EXPECT_EQ(Largest(silu->Choose({false, all, nullptr}, {}, 0, tokens, &totals)), 0.0F);
      EXPECT_EQ(totals.computed[0], 0U);
      FfnTotals by_threshold, by_zeros;
      EXPECT_TRUE(relu->Choose({false, zero, nullptr}, {}, 0, tokens, &by_threshold) ==
                  relu->Choose({true, {}, nullptr}, {}, 0, tokens, &by_zeros));
      EXPECT_EQ(by_threshold.bytes_read[1], by_zeros.bytes_read[1]);
      EXPECT_TRUE(by_threshold.computed == by_zeros.fired);
      std::vector<float> h, dense_h;
      silu->Choose({}, {}, 0, tokens, nullptr, &dense_h);
      silu->Choose({false, some, nullptr}, {}, 0, tokens, &totals, &h);
      const size_t kept = Firing(h, tokens)[0].size();
      EXPECT_EQ(totals.computed[0], kept);
      EXPECT_TRUE(kept > 10 && kept < static_cast<size_t>(silu->n()) - 10);
      for (size_t i = 0; i < h.size(); ++i) EXPECT_TRUE(h[i] == 0 || h[i] == dense_h[i]);
    }
  }
}

}  // namespace
}  // namespace thermocline

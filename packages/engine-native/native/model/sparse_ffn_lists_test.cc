// Lists of neurons to compute, as predictors make them.
#include <algorithm>
#include <iterator>
#include <memory>
#include <string>

#include "model/sparse_ffn_testing.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using namespace ffn_testing;

TEST(SparseFfn, ListsOfAllHaveTheBitsOfDense) {
  for (const Kind kind : {kReluKinds[0], kReluKinds[1], kReluKinds[2], Kind{"llama", "silu"}}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      const bool zeros = std::string(kind.activation) != "silu";
      for (const int64_t split : Splits(n)) {
        const LayerPlan plan{Shuffled(n, 7), {split, n}};
        for (const int64_t tokens : {1, 5}) {
          const ActiveSet all = SetOf(RandomLists(tokens, n, 100, 1), n);
          FfnTotals dense_totals, totals;
          std::vector<float> dense_h, h;
          const auto dense = bench->Choose({}, plan, 0, tokens, &dense_totals, &dense_h);
          EXPECT_TRUE(dense == bench->Choose({false, {}, &all}, plan, 0, tokens, &totals, &h));
          EXPECT_TRUE(h == dense_h);
          EXPECT_TRUE(totals.fired == dense_totals.fired);
          EXPECT_TRUE(totals.computed == dense_totals.computed);
          EXPECT_EQ(totals.bytes_read[1], dense_totals.bytes_read[1]);
          if (!zeros) continue;
          EXPECT_TRUE(dense == bench->Choose({true, {}, &all}, plan, 0, tokens, &totals));
          EXPECT_TRUE(totals.fired == dense_totals.fired);
        }
      }
    }
  }
}

TEST(SparseFfn, ListsOfWhatFiresHaveTheBitsOfExact) {
  for (const Kind kind : kReluKinds) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      for (const int64_t split : {int64_t{0}, int64_t{65}, n}) {
        const LayerPlan plan{Shuffled(n, 7), {split, n}};
        for (const int64_t tokens : {1, 7}) {
          FfnTotals exact_totals, totals;
          std::vector<float> exact_h, h;
          const auto exact = bench->Choose({true, {}, nullptr}, plan, 0, tokens, &exact_totals,
                                           &exact_h);
          EXPECT_TRUE(exact == bench->Choose({}, plan, 0, tokens));
          std::vector<std::vector<uint32_t>> lists = Firing(exact_h, tokens);
          EXPECT_TRUE(exact ==
                      bench->Choose({true, {}, std::make_unique<ActiveSet>(SetOf(lists, n)).get()},
                                    plan, 0, tokens, &totals, &h));
          EXPECT_TRUE(h == exact_h);
          for (size_t t = 0; t < lists.size(); ++t) EXPECT_EQ(totals.computed[t], lists[t].size());
          EXPECT_LT(totals.bytes_read[1] + totals.bytes_read[0],
                    exact_totals.bytes_read[1] + exact_totals.bytes_read[0]);
          // More than what fires.
          const auto others = RandomLists(tokens, n, 30, 3);
          for (size_t t = 0; t < lists.size(); ++t) {
            std::vector<uint32_t> merged;
            std::set_union(lists[t].begin(), lists[t].end(), others[t].begin(), others[t].end(),
                           std::back_inserter(merged));
            lists[t] = merged;
          }
          const ActiveSet more = SetOf(lists, n);
          EXPECT_TRUE(exact == bench->Choose({true, {}, &more}, plan, 0, tokens));
        }
      }
    }
  }
}

TEST(SparseFfn, OnlyWhatIsListedIsComputed) {
  for (const Kind kind : {kReluKinds[0], kReluKinds[1], kReluKinds[2], Kind{"llama", "silu"}}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      const auto lists = RandomLists(kMaxTokens, n, 20, 5);
      std::vector<std::vector<uint32_t>> rest(lists.size());
      for (size_t t = 0; t < lists.size(); ++t) {
        const auto all = Ids(n);
        std::set_difference(all.begin(), all.end(), lists[t].begin(), lists[t].end(),
                            std::back_inserter(rest[t]));
      }
      const ActiveSet listed = SetOf(lists, n);
      const ActiveSet others = SetOf(rest, n);
      for (const int64_t split : {int64_t{0}, int64_t{100}}) {
        const LayerPlan plan{Shuffled(n, 7), {split, n}};
        std::vector<float> h, dense_h;
        FfnTotals totals;
        const auto dense = bench->Choose({}, plan, 0, kMaxTokens, nullptr, &dense_h);
        std::vector<float> sum = bench->Choose({false, {}, &listed}, plan, 0, kMaxTokens, &totals,
                                               &h);
        for (size_t t = 0; t < lists.size(); ++t) {
          std::vector<float> expected(static_cast<size_t>(n), 0.0F);
          for (const uint32_t id : lists[t]) {
            expected[id] = dense_h[t * static_cast<size_t>(n) + id];
          }
          EXPECT_TRUE(std::equal(expected.begin(), expected.end(),
                                 h.begin() + static_cast<int64_t>(t) * n));
          EXPECT_EQ(totals.computed[t], lists[t].size());
        }
        // The two halves add up to the whole.
        const auto other = bench->Choose({false, {}, &others}, plan, 0, kMaxTokens);
        for (size_t i = 0; i < sum.size(); ++i) sum[i] += other[i];
        EXPECT_LE(MaxDifference(sum, dense), Tolerance(type) * Largest(dense));
      }
    }
  }
}

TEST(SparseFfn, ListsInABatchHaveTheBitsOfSingleTokens) {
  for (const Kind kind : {kReluKinds[0], kReluKinds[1], kReluKinds[2], Kind{"llama", "silu"}}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      const bool zeros = std::string(kind.activation) != "silu";
      auto lists = RandomLists(kMaxTokens, n, 15, 9);
      lists[8].clear();
      lists[4] = Ids(n);
      const ActiveSet all = SetOf(lists, n);
      for (const int64_t split : {int64_t{0}, int64_t{100}}) {
        const LayerPlan plan{Shuffled(n, 7), {split, n}};
        FfnTotals totals;
        std::vector<float> h;
        const auto batch = bench->Choose({zeros, {}, &all}, plan, 0, kMaxTokens, &totals, &h);
        for (int64_t t = 0; t < kMaxTokens; t += testing::Stride(4)) {
          const ActiveSet own = SetOf({lists[static_cast<size_t>(t)]}, n);
          FfnTotals own_totals;
          std::vector<float> own_h;
          const auto y = bench->Choose({zeros, {}, &own}, plan, t, 1, &own_totals, &own_h);
          EXPECT_TRUE(std::equal(y.begin(), y.end(), batch.begin() + t * bench->d()));
          EXPECT_TRUE(std::equal(own_h.begin(), own_h.end(), h.begin() + t * n));
          EXPECT_EQ(own_totals.fired[0], totals.fired[static_cast<size_t>(t)]);
          EXPECT_EQ(own_totals.computed[0], totals.computed[static_cast<size_t>(t)]);
        }
      }
    }
  }
}

TEST(SparseFfn, ThreadsAndRepeatsChangeNoBitsOfLists) {
  std::vector<float> known;
  for (const int threads : {1, 2, 3}) {
    const auto bench = Bench::Make(Model("llama", DType::kQ8_0), threads);
    ASSERT_TRUE(bench != nullptr);
    const ActiveSet one = SetOf(RandomLists(1, bench->n(), 40, 2), bench->n());
    for (int repeat = 0; repeat < 100; ++repeat) {
      const auto y = bench->Choose({true, {}, &one}, {}, 0, 1);
      if (known.empty()) known = y;
      EXPECT_TRUE(y == known);
    }
  }
}

TEST(SparseFfn, ListedRowsAreTheOnesRead) {
  const auto bench = Bench::Make(Model("llama", DType::kF16));
  ASSERT_TRUE(bench != nullptr);
  const auto lists = RandomLists(1, bench->n(), 30, 2);
  const ActiveSet set = SetOf(lists, bench->n());
  FfnTotals totals;
  std::vector<float> h;
  bench->Choose({true, {}, &set}, {}, 0, 1, &totals, &h);
  const auto row = static_cast<uint64_t>(2 * bench->d());
  const uint64_t fired = Firing(h, 1)[0].size();
  EXPECT_LT(fired, lists[0].size());
  EXPECT_EQ(totals.fired[0], fired);
  EXPECT_EQ(totals.bytes_read[1], (lists[0].size() + 2 * fired) * row);
}

}  // namespace
}  // namespace thermocline

// Plans: who holds which neurons, and how little else they change.
#include <algorithm>
#include <string>
#include <utility>

#include "model/sparse_ffn_testing.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using namespace ffn_testing;

// All on one tier, and so nothing but the order in which the plan lists them.
TEST(SparseFfn, AnyOrderOnOneTierHasTheBitsOfNone) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      std::vector<uint32_t> reversed = Ids(n);
      std::reverse(reversed.begin(), reversed.end());
      std::vector<std::vector<uint32_t>> orders = {reversed, Shuffled(n, 1)};
      if (!testing::IsSlow()) orders.insert(orders.end(), {Shuffled(n, 2), Shuffled(n, 3)});
      for (const int64_t tokens : {1, 2, 7, 16}) {
        FfnTotals known;
        std::vector<float> h_known;
        const auto y =
            bench->Run(bench->blocks(), {}, Mode::kExact, 0, tokens, &known, &h_known);
        for (const auto& order : orders) {
          for (const Mode mode : {Mode::kDense, Mode::kExact}) {
            FfnTotals totals;
            std::vector<float> h;
            EXPECT_TRUE(y == bench->Run(bench->blocks(), LayerPlan{order, {0, n}}, mode, 0, tokens,
                                        &totals, &h));
            EXPECT_TRUE(h == h_known);
            EXPECT_TRUE(totals.fired == known.fired);
            if (mode == Mode::kExact) EXPECT_EQ(totals.bytes_read[1], known.bytes_read[1]);
          }
        }
      }
    }
  }
}

// Over two tiers the bits depend on who holds which neurons, and still not on the order.
TEST(SparseFfn, TheOrderWithinTiersChangesNoBits) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      for (const int64_t split : Splits(n)) {
        LayerPlan plan{Shuffled(n, 7), {split, n}};
        for (const int64_t tokens : {1, 5}) {
          const auto y = bench->Run(bench->blocks(), plan, Mode::kExact, 0, tokens);
          const auto end = plan.order.begin() + split;
          std::reverse(plan.order.begin(), end);
          std::rotate(end, end + (n - split) / 3, plan.order.end());
          for (const Mode mode : {Mode::kDense, Mode::kExact}) {
            EXPECT_TRUE(y == bench->Run(bench->blocks(), plan, mode, 0, tokens));
          }
        }
      }
    }
  }
}

TEST(SparseFfn, OnlyMovedNeuronsAreReadAgain) {
  const auto bench = Bench::Make(Model("llama", DType::kF16));
  ASSERT_TRUE(bench != nullptr);
  const int64_t n = bench->n();
  CountingTier cpu(bench->cpu());
  SparseFfn ffn(FfnTiers{bench->other(), &cpu, nullptr});
  ASSERT_OK(ffn.Place(0, bench->blocks(), {}));
  EXPECT_EQ(cpu.loads, 1);
  ASSERT_OK(ffn.Place(0, bench->blocks(), {Shuffled(n, 1), {0, n}}));
  EXPECT_EQ(cpu.loads, 1);
  ASSERT_OK(ffn.Place(0, bench->blocks(), {Shuffled(n, 1), {1, n}}));
  EXPECT_EQ(cpu.loads, 2);
  ASSERT_OK(ffn.Place(0, bench->blocks(), {Shuffled(n, 2), {1, n}}));  // another neuron goes
  EXPECT_EQ(cpu.loads, 3);
  ASSERT_OK(ffn.Place(0, bench->blocks(), {}));
  EXPECT_EQ(cpu.loads, 4);
  EXPECT_EQ(cpu.loaded, 1);
}

TEST(SparseFfn, ATierTakesItsNeuronsInAnyOrder) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const auto dense = bench->Run(bench->blocks(), {}, Mode::kDense, 0, 5);
      CountingTier reversed(bench->cpu());
      reversed.reversed = true;
      for (const int64_t split : {int64_t{0}, int64_t{65}}) {
        const LayerPlan plan{Shuffled(bench->n(), 7), {split, bench->n()}};
        const auto y = bench->RunOn({bench->other(), &reversed, nullptr}, bench->blocks(), plan,
                                    Mode::kExact, 0, 5);
        EXPECT_LE(MaxDifference(y, dense), Tolerance(type) * Largest(dense));
      }
    }
  }
}

TEST(SparseFfn, RefusesPlansThatDoNotFit) {
  const auto bench = Bench::Make(Model("llama", DType::kF32));
  ASSERT_TRUE(bench != nullptr);
  const SparseFfn ffn(FfnTiers{nullptr, bench->cpu(), nullptr});
  const int64_t n = bench->n();
  std::vector<uint32_t> order = Shuffled(n, 1);
  const auto refused = [&](LayerPlan plan, const char* word) {
    const Status status = ffn.Validate({bench->blocks()}, Plan{{std::move(plan)}});
    EXPECT_STATUS(status, StatusCode::kInvalidArgument);
    EXPECT_NE(status.message().find(word), std::string::npos);
  };
  refused({{0, 1, 2}, {0, 3}}, "3 neurons");
  refused({order, {0, n + 1}}, "tier ends");
  refused({order, {5, 4}}, "tier ends");
  refused({order, {1, n}}, "gpu tier");
  refused({order, {0, n - 1}}, "flash tier");
  order[0] = order[1];
  refused({order, {0, n}}, "permutation");
  EXPECT_STATUS(ffn.Validate({bench->blocks()}, Plan{{LayerPlan{}, LayerPlan{}}}),
                StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace thermocline

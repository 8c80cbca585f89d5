// Modes and batches: what is skipped, how it is split and what stands beside it change nothing.
#include "model/sparse_ffn.h"

#include <algorithm>

#include "model/sparse_ffn_testing.h"
#include "util/testing.h"

namespace thermocline {
namespace {

using namespace ffn_testing;

TEST(SparseFfn, AnySplitAndOrderEqualsDense) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      const auto dense = bench->Run(bench->blocks(), LayerPlan{}, Mode::kDense, 0, 5);
      for (const int64_t split : Splits(n)) {
        for (const Mode mode : {Mode::kDense, Mode::kExact}) {
          const LayerPlan plan{Shuffled(n, 7), {split, n}};
          const auto y = bench->Run(bench->blocks(), plan, mode, 0, 5);
          EXPECT_LE(MaxDifference(y, dense), Tolerance(type) * Largest(dense));
        }
      }
    }
  }
}

TEST(SparseFfn, ExactHasTheBitsOfDense) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      for (const int64_t tokens : {1, 2, 7, 16}) {
        EXPECT_TRUE(bench->Run(bench->blocks(), {}, Mode::kExact, 0, tokens) ==
                    bench->Run(bench->blocks(), {}, Mode::kDense, 0, tokens));
      }
    }
  }
}

TEST(SparseFfn, ABatchHasTheBitsOfSingleTokens) {
  for (const char* activation : {"relu", "silu"}) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model("llama", type, activation));
      ASSERT_TRUE(bench != nullptr);
      const auto batch = bench->Run(bench->blocks(), {}, Mode::kDense, 0, kMaxTokens);
      for (int64_t t = 0; t < kMaxTokens; t += testing::Stride(4)) {
        const auto single = bench->Run(bench->blocks(), {}, Mode::kDense, t, 1);
        EXPECT_TRUE(std::equal(single.begin(), single.end(), batch.begin() + t * bench->d()));
      }
    }
  }
}

// Bundles of whole neurons, of up and down, or none: only places in memory.
TEST(SparseFfn, WhereRowsLieChangesNoBit) {
  for (const Kind& kind : kReluKinds) {
    for (const WeightKind type : WeightKinds()) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      std::vector<FfnBlockSource> chosen = bench->blocks();
      chosen[0].chosen_first = true;
      const LayerPlan split{Shuffled(bench->n(), 5), {100, bench->n()}};
      for (const LayerPlan& plan : {LayerPlan{}, split}) {
        for (const Mode mode : {Mode::kDense, Mode::kExact}) {
          for (const int64_t tokens : {1, 3}) {
            FfnTotals totals, chosen_totals;
            EXPECT_TRUE(bench->Run(bench->blocks(), plan, mode, 0, tokens, &totals) ==
                        bench->Run(chosen, plan, mode, 0, tokens, &chosen_totals));
            EXPECT_EQ(totals.bytes_read[1], chosen_totals.bytes_read[1]);
          }
        }
      }
    }
  }
}

TEST(SparseFfn, BlocksThatCutAQuantisedGroupAreRefused) {
  for (const DType type : {DType::kQ8_0, DType::kQ4_0}) {
    const auto bench = Bench::Make(Model("llama", type));
    ASSERT_TRUE(bench != nullptr);
    FfnBlockSource block = bench->blocks()[0];
    LoadList reads;
    block.n_neurons = 48;
    EXPECT_STATUS(bench->cpu()->Load(block, Ids(48), reads), StatusCode::kModelUnsupported);
    block.n_neurons = 64;
    block.first_neuron = 16;
    EXPECT_STATUS(bench->cpu()->Load(block, Ids(64), reads), StatusCode::kModelUnsupported);
    block.first_neuron = 32;
    EXPECT_OK(bench->cpu()->Load(block, Ids(64), reads));
  }
}

TEST(SparseFfn, BlocksThatCutASuperblockAreRefused) {
  for (const DType type : {DType::kQ4_K, DType::kQ6_K}) {
    const auto bench = Bench::Make(Model("llama", type));
    ASSERT_TRUE(bench != nullptr);
    FfnBlockSource block = bench->blocks()[0];
    LoadList reads;
    block.n_neurons = 64;
    EXPECT_STATUS(bench->cpu()->Load(block, Ids(64), reads), StatusCode::kModelUnsupported);
    block.n_neurons = 256;
    block.first_neuron = 32;
    EXPECT_STATUS(bench->cpu()->Load(block, Ids(256), reads), StatusCode::kModelUnsupported);
    block.first_neuron = 256;
    EXPECT_OK(bench->cpu()->Load(block, Ids(256), reads));
  }
}

TEST(SparseFfn, SeveralBlocksEqualOne) {
  for (const WeightKind type : WeightKinds()) {
    const auto bench = Bench::Make(Model("llama", type));
    ASSERT_TRUE(bench != nullptr);
    const auto sizes = IsKQuant(type.type) ? std::vector<int64_t>{256, 256}
                                           : std::vector<int64_t>{96, 128, 64};
    std::vector<FfnBlockSource> blocks(sizes.size(), bench->blocks()[0]);
    int64_t first = 0;
    for (size_t b = 0; b < sizes.size(); ++b) {
      blocks[b].first_neuron = first;
      blocks[b].n_neurons = sizes[b];
      first += sizes[b];
    }
    ASSERT_EQ(first, bench->n());
    const auto whole = bench->Run(bench->blocks(), {}, Mode::kExact, 0, 3);
    EXPECT_LE(MaxDifference(bench->Run(blocks, {}, Mode::kExact, 0, 3), whole),
              Tolerance(type) * Largest(whole));
    const LayerPlan plan{Shuffled(bench->n(), 3), {100, bench->n()}};
    std::vector<float> h_whole, h_blocks;
    bench->Run(bench->blocks(), {}, Mode::kExact, 0, 3, nullptr, &h_whole);
    const auto y = bench->Run(blocks, plan, Mode::kExact, 0, 3, nullptr, &h_blocks);
    EXPECT_LE(MaxDifference(y, whole), Tolerance(type) * Largest(whole));
    // Watched by neuron id, whatever the storage order.
    EXPECT_LE(MaxDifference(h_blocks, h_whole), Tolerance(type) * Largest(h_whole));
  }
}

TEST(SparseFfn, ExactReadsOnlyWhatFires) {
  const auto bench = Bench::Make(Model("llama", DType::kF16));
  ASSERT_TRUE(bench != nullptr);
  FfnTotals dense, exact;
  std::vector<float> h;
  bench->Run(bench->blocks(), {}, Mode::kDense, 0, 1, &dense);
  bench->Run(bench->blocks(), {}, Mode::kExact, 0, 1, &exact, &h);
  const auto row = static_cast<uint64_t>(2 * bench->d());
  const auto n = static_cast<uint64_t>(bench->n());
  const auto fired = static_cast<uint64_t>(
      std::count_if(h.begin(), h.end(), [](float v) { return v != 0; }));
  EXPECT_EQ(dense.bytes_read[1], 3 * n * row);
  EXPECT_EQ(exact.bytes_read[1], n * row + 2 * fired * row);
  EXPECT_EQ(exact.fired[0], fired);
  EXPECT_EQ(dense.fired[0], fired);
  EXPECT_GT(fired, n / 4);
  EXPECT_LT(fired, 3 * n / 4);
}

// Where up is not positive either, a double ReLU does not read the down row.
TEST(SparseFfn, DoubleReluReadsDownRowsOfWhatFires) {
  const auto bench = Bench::Make(Model("llama", DType::kF16, "drelu"));
  ASSERT_TRUE(bench != nullptr);
  for (const int64_t tokens : {1, 3}) {
    FfnTotals dense, exact;
    std::vector<float> dense_h, h;
    const auto expected = bench->Choose({}, {}, 0, tokens, &dense, &dense_h);
    EXPECT_TRUE(expected == bench->Choose({true, {}, nullptr}, {}, 0, tokens, &exact, &h));
    EXPECT_TRUE(h == dense_h);
    EXPECT_TRUE(exact.fired == dense.fired);
    EXPECT_EQ(exact.fired[0], Firing(h, tokens)[0].size());
    EXPECT_LT(exact.fired[0], static_cast<uint64_t>(bench->n()) / 2);
    EXPECT_LT(exact.bytes_read[1], dense.bytes_read[1]);
    for (const float value : h) EXPECT_TRUE(value >= 0);
  }
  FfnTotals plain, twice;
  const auto relu = Bench::Make(Model("llama", DType::kF16, "relu"));
  relu->Choose({true, {}, nullptr}, {}, 0, 1, &plain);
  bench->Choose({true, {}, nullptr}, {}, 0, 1, &twice);
  EXPECT_LT(twice.bytes_read[1], plain.bytes_read[1]);
}

}  // namespace
}  // namespace thermocline

#include "model/sparse_ffn.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <memory>
#include <numeric>

#include "model/mode.h"
#include "model/tiny_model.h"
#include "model/weights.h"
#include "tiers/cpu_tier.h"
#include "util/testing.h"

namespace thermocline {
namespace {

constexpr int64_t kMaxTokens = 16;

// The first layer's FFN of a tiny model, on two tiers: the best kernels as cpu, and the scalar
// reference in the place of a GPU.
class Bench {
 public:
  static std::unique_ptr<Bench> Make(const TinyModel& model, int threads = 2) {
    auto bench = std::make_unique<Bench>();
    TemporaryFile file("ffn.gguf");
    if (!WriteTinyModel(model, file.path()).ok()) return nullptr;
    auto opened = OpenModelFile(file.path());
    if (!opened.ok()) return nullptr;
    bench->file_ = std::move(*opened);
    const auto hyperparameters = bench->file_->hyperparameters();
    if (!hyperparameters.ok()) return nullptr;
    auto plan = WeightPlan::Make(*bench->file_, *hyperparameters);
    if (!plan.ok()) return nullptr;
    bench->blocks_ = plan->ffn_blocks()[0];
    bench->n_ = model.n_ff;
    bench->d_ = model.d_model;
    bench->pool_ = std::make_unique<ThreadPool>(threads);
    bench->accountant_ = std::make_shared<Accountant>(Tier::kCpu, 0);
    bench->cpu_ = std::make_unique<CpuTier>(*bench->pool_, *SelectKernels("auto"),
                                            bench->accountant_, kMaxTokens);
    bench->other_ = std::make_unique<CpuTier>(*bench->pool_, ReferenceKernels(),
                                              bench->accountant_, kMaxTokens, Tier::kGpu);
    for (int64_t i = 0; i < kMaxTokens * bench->d_; ++i) {
      bench->x_.push_back(static_cast<float>(std::sin(0.37 * static_cast<double>(i * i % 1009))));
    }
    return bench;
  }

  // y for n tokens from `first`; h by neuron id when wanted.
  std::vector<float> Run(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan,
                         Mode mode, int64_t first, int64_t n, FfnTotals* totals = nullptr,
                         std::vector<float>* h = nullptr) {
    return RunOn({other_.get(), cpu_.get(), nullptr}, blocks, plan, mode, first, n, totals, h);
  }

  std::vector<float> RunOn(FfnTiers tiers, const std::vector<FfnBlockSource>& blocks,
                           const LayerPlan& plan, Mode mode, int64_t first, int64_t n,
                           FfnTotals* totals = nullptr, std::vector<float>* h = nullptr) {
    return Compute(tiers, blocks, plan, {mode == Mode::kExact, {}, nullptr}, first, n, totals, h);
  }

  std::vector<float> Choose(const FfnChoice& choice, const LayerPlan& plan, int64_t first,
                            int64_t n, FfnTotals* totals = nullptr,
                            std::vector<float>* h = nullptr) {
    return Compute({other_.get(), cpu_.get(), nullptr}, blocks_, plan, choice, first, n, totals, h);
  }

  std::vector<float> Compute(FfnTiers tiers, const std::vector<FfnBlockSource>& blocks,
                             const LayerPlan& plan, const FfnChoice& choice, int64_t first,
                             int64_t n, FfnTotals* totals, std::vector<float>* h) {
    SparseFfn ffn(tiers);
    EXPECT_OK(ffn.Validate({blocks}, Plan{{plan}}));
    EXPECT_OK(ffn.Place(0, blocks, plan));
    Activations x;
    x.x = x_.data() + first * d_;
    x.x_stride = d_;
    x.n_tokens = n;
    x.cols = d_;
    std::vector<int8_t> q(static_cast<size_t>(n * d_));
    std::vector<float> scales(static_cast<size_t>(n * d_ / 32));
    std::vector<int32_t> sums(scales.size()), firsts(scales.size());
    for (int64_t t = 0; t < n; ++t) {
      const int64_t block = t * (d_ / 32);
      ReferenceKernels().quantize(x.x + t * d_, d_, q.data() + t * d_, scales.data() + block,
                                  sums.data() + block, firsts.data() + block);
    }
    x.q = q.data();
    x.q_scale = scales.data();
    x.q_sum = sums.data();
    x.q_first = firsts.data();
    std::vector<float> y(static_cast<size_t>(n * d_), 0.0F);
    const TensorView input{Device::kHost, DType::kF32, x_.data() + first * d_, n, d_, d_};
    const TensorView out{Device::kHost, DType::kF32, y.data(), n, d_, d_};
    if (h != nullptr) h->assign(static_cast<size_t>(n * n_), -1.0F);
    FfnTotals local;
    EXPECT_OK(ffn.Run(0, choice, input, x, out, h == nullptr ? nullptr : h->data(),
                      totals == nullptr ? &local : totals));
    return y;
  }

  const std::vector<FfnBlockSource>& blocks() const { return blocks_; }
  FfnTier* cpu() { return cpu_.get(); }
  FfnTier* other() { return other_.get(); }
  int64_t n() const { return n_; }
  int64_t d() const { return d_; }

 private:
  std::unique_ptr<ModelFile> file_;
  std::vector<FfnBlockSource> blocks_;
  int64_t n_ = 0, d_ = 0;
  std::unique_ptr<ThreadPool> pool_;
  std::shared_ptr<Accountant> accountant_;
  std::unique_ptr<CpuTier> cpu_, other_;
  std::vector<float> x_;
};

std::vector<uint32_t> Ids(int64_t n) {
  std::vector<uint32_t> ids(static_cast<size_t>(n));
  std::iota(ids.begin(), ids.end(), 0U);
  return ids;
}

std::vector<uint32_t> Shuffled(int64_t n, uint64_t seed) {
  std::vector<uint32_t> order = Ids(n);
  for (size_t i = order.size() - 1; i > 0; --i) {
    seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
    std::swap(order[i], order[(seed >> 33) % (i + 1)]);
  }
  return order;
}

// Hands everything on and counts what is read; if asked, lists it the other way round.
class CountingTier : public FfnTier {
 public:
  explicit CountingTier(FfnTier* tier) : tier_(tier) {}
  int loads = 0;
  int loaded = 0;
  bool reversed = false;

  Tier tier() const override { return tier_->tier(); }
  uint64_t PlannedBytes(const FfnBlockSource& source, int64_t n_neurons) const override {
    return tier_->PlannedBytes(source, n_neurons);
  }
  Result<FfnHandle> Load(const FfnBlockSource& source, std::span<const uint32_t> neurons,
                         LoadList& reads) override {
    ++loads;
    ++loaded;
    std::vector<uint32_t> list(neurons.begin(), neurons.end());
    if (reversed) std::reverse(list.begin(), list.end());
    return tier_->Load(source, list, reads);
  }
  void Unload(FfnHandle handle) override {
    --loaded;
    tier_->Unload(handle);
  }
  Status Submit(FfnHandle handle, const FfnWork& work) override {
    return tier_->Submit(handle, work);
  }
  Status Finish(FfnHandle handle, TensorView y, FfnOutcome* outcome) override {
    return tier_->Finish(handle, y, outcome);
  }

 private:
  FfnTier* const tier_;
};

float MaxDifference(const std::vector<float>& a, const std::vector<float>& b) {
  float difference = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference = std::max(difference, std::fabs(a[i] - b[i]));
  }
  return difference;
}

float Largest(const std::vector<float>& a) {
  float largest = 0;
  for (const float v : a) largest = std::max(largest, std::fabs(v));
  return largest;
}

constexpr int64_t kSplits[] = {0, 1, 63, 64, 65, 255, 256, 257};

// Token by token, each neuron with the given chance.
std::vector<std::vector<uint32_t>> RandomLists(int64_t tokens, int64_t n, int percent,
                                               uint64_t seed) {
  std::vector<std::vector<uint32_t>> lists(static_cast<size_t>(tokens));
  for (auto& list : lists) {
    for (uint32_t id = 0; id < static_cast<uint32_t>(n); ++id) {
      seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
      if (static_cast<int>((seed >> 33) % 100) < percent) list.push_back(id);
    }
  }
  return lists;
}

ActiveSet SetOf(const std::vector<std::vector<uint32_t>>& lists, int64_t n) {
  ActiveSet set(static_cast<int64_t>(lists.size()), n);
  for (const auto& list : lists) set.Append(list);
  return set;
}

// The neurons with h != 0, token by token.
std::vector<std::vector<uint32_t>> Firing(const std::vector<float>& h, int64_t tokens) {
  const size_t n = h.size() / static_cast<size_t>(tokens);
  std::vector<std::vector<uint32_t>> lists(static_cast<size_t>(tokens));
  for (size_t i = 0; i < h.size(); ++i) {
    if (h[i] != 0) lists[i / n].push_back(static_cast<uint32_t>(i % n));
  }
  return lists;
}

struct Kind {
  const char* arch;
  const char* activation;
};
// Gated, not gated and with biases, gated twice; the last has no exact zeros.
constexpr Kind kReluKinds[] = {{"llama", "relu"}, {"opt", "relu"}, {"llama", "drelu"},
                               {"llama", "relu2"}};

const DType kTypes[] = {DType::kF32,  DType::kF16,  DType::kBF16, DType::kQ8_0,
                        DType::kQ4_0, DType::kQ4_K, DType::kQ5_K, DType::kQ6_K};

TinyModel Model(const std::string& arch, DType type, const std::string& activation = "relu") {
  TinyModel model = TinyModelOf(type);
  model.arch = arch;
  model.activation = activation;
  return model;
}

TEST(SparseFfn, AnySplitAndOrderEqualsDense) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      const auto dense = bench->Run(bench->blocks(), LayerPlan{}, Mode::kDense, 0, 5);
      for (const int64_t split : {int64_t{0}, int64_t{1}, int64_t{63}, int64_t{64}, int64_t{65},
                                  int64_t{255}, int64_t{256}, int64_t{257}, n - 1, n}) {
        for (const Mode mode : {Mode::kDense, Mode::kExact}) {
          const LayerPlan plan{Shuffled(n, 7), {split, n}};
          const auto y = bench->Run(bench->blocks(), plan, mode, 0, 5);
          EXPECT_LE(MaxDifference(y, dense), 1e-5F * Largest(dense));
        }
      }
    }
  }
}

// All on one tier, and so nothing but the order in which the plan lists them.
TEST(SparseFfn, AnyOrderOnOneTierHasTheBitsOfNone) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      std::vector<uint32_t> reversed = Ids(n);
      std::reverse(reversed.begin(), reversed.end());
      for (const int64_t tokens : {1, 2, 7, 16}) {
        FfnTotals known;
        std::vector<float> h_known;
        const auto y =
            bench->Run(bench->blocks(), {}, Mode::kExact, 0, tokens, &known, &h_known);
        for (const auto& order : {reversed, Shuffled(n, 1), Shuffled(n, 2), Shuffled(n, 3)}) {
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
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      for (const int64_t split : {int64_t{1}, int64_t{63}, int64_t{64}, int64_t{65}, int64_t{255},
                                  int64_t{256}, int64_t{257}, n - 1}) {
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
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model(arch, type));
      ASSERT_TRUE(bench != nullptr);
      const auto dense = bench->Run(bench->blocks(), {}, Mode::kDense, 0, 5);
      CountingTier reversed(bench->cpu());
      reversed.reversed = true;
      for (const int64_t split : {int64_t{0}, int64_t{65}}) {
        const LayerPlan plan{Shuffled(bench->n(), 7), {split, bench->n()}};
        const auto y = bench->RunOn({bench->other(), &reversed, nullptr}, bench->blocks(), plan,
                                    Mode::kExact, 0, 5);
        EXPECT_LE(MaxDifference(y, dense), 1e-5F * Largest(dense));
      }
    }
  }
}

TEST(SparseFfn, ExactHasTheBitsOfDense) {
  for (const std::string arch : {"llama", "opt"}) {
    for (const DType type : kTypes) {
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
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model("llama", type, activation));
      ASSERT_TRUE(bench != nullptr);
      const auto batch = bench->Run(bench->blocks(), {}, Mode::kDense, 0, kMaxTokens);
      for (int64_t t = 0; t < kMaxTokens; ++t) {
        const auto single = bench->Run(bench->blocks(), {}, Mode::kDense, t, 1);
        EXPECT_TRUE(std::equal(single.begin(), single.end(), batch.begin() + t * bench->d()));
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
  for (const DType type : kTypes) {
    const auto bench = Bench::Make(Model("llama", type));
    ASSERT_TRUE(bench != nullptr);
    const auto sizes = IsKQuant(type) ? std::vector<int64_t>{256, 256}
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
              1e-5F * Largest(whole));
    const LayerPlan plan{Shuffled(bench->n(), 3), {100, bench->n()}};
    std::vector<float> h_whole, h_blocks;
    bench->Run(bench->blocks(), {}, Mode::kExact, 0, 3, nullptr, &h_whole);
    const auto y = bench->Run(blocks, plan, Mode::kExact, 0, 3, nullptr, &h_blocks);
    EXPECT_LE(MaxDifference(y, whole), 1e-5F * Largest(whole));
    // Watched by neuron id, whatever the storage order.
    EXPECT_LE(MaxDifference(h_blocks, h_whole), 1e-5F * Largest(h_whole));
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

TEST(SparseFfn, ListsOfAllHaveTheBitsOfDense) {
  for (const Kind kind : {kReluKinds[0], kReluKinds[1], kReluKinds[2], Kind{"llama", "silu"}}) {
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      std::vector<int64_t> splits(std::begin(kSplits), std::end(kSplits));
      splits.push_back(n - 1);
      splits.push_back(n);
      const bool zeros = std::string(kind.activation) != "silu";
      for (const int64_t split : splits) {
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
    for (const DType type : kTypes) {
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
    for (const DType type : kTypes) {
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
        EXPECT_LE(MaxDifference(sum, dense), 1e-5F * Largest(dense));
      }
    }
  }
}

TEST(SparseFfn, ListsInABatchHaveTheBitsOfSingleTokens) {
  for (const Kind kind : {kReluKinds[0], kReluKinds[1], kReluKinds[2], Kind{"llama", "silu"}}) {
    for (const DType type : kTypes) {
      const auto bench = Bench::Make(Model(kind.arch, type, kind.activation));
      ASSERT_TRUE(bench != nullptr);
      const int64_t n = bench->n();
      const bool zeros = std::string(kind.activation) != "silu";
      auto lists = RandomLists(kMaxTokens, n, 15, 9);
      lists[3].clear();
      lists[4] = Ids(n);
      const ActiveSet all = SetOf(lists, n);
      for (const int64_t split : {int64_t{0}, int64_t{100}}) {
        const LayerPlan plan{Shuffled(n, 7), {split, n}};
        FfnTotals totals;
        std::vector<float> h;
        const auto batch = bench->Choose({zeros, {}, &all}, plan, 0, kMaxTokens, &totals, &h);
        for (int64_t t = 0; t < kMaxTokens; ++t) {
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

TEST(SparseFfn, ThresholdsLeaveOutSmallActivations) {
  for (const DType type : kTypes) {
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
        for (int64_t t = 0; t < kMaxTokens; ++t) {
          const auto y = bench->Choose({false, threshold, nullptr}, plan, t, 1);
          EXPECT_TRUE(std::equal(y.begin(), y.end(), batch.begin() + t * bench->d()));
        }
      }
    }
  }
}

TEST(SparseFfn, ThresholdsGoByTheGateWhereThereIsOne) {
  for (const DType type : kTypes) {
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

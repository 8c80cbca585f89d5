#include "model/sparse_ffn.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

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
    std::vector<int32_t> sums(scales.size());
    for (int64_t t = 0; t < n; ++t) {
      ReferenceKernels().quantize(x.x + t * d_, d_, q.data() + t * d_,
                                  scales.data() + t * (d_ / 32), sums.data() + t * (d_ / 32));
    }
    x.q = q.data();
    x.q_scale = scales.data();
    x.q_sum = sums.data();
    std::vector<float> y(static_cast<size_t>(n * d_), 0.0F);
    const TensorView input{Device::kHost, DType::kF32, x_.data() + first * d_, n, d_, d_};
    const TensorView out{Device::kHost, DType::kF32, y.data(), n, d_, d_};
    if (h != nullptr) h->assign(static_cast<size_t>(n * n_), -1.0F);
    FfnTotals local;
    EXPECT_OK(ffn.Run(0, mode, input, x, out, h == nullptr ? nullptr : h->data(),
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
  Result<FfnHandle> Load(const FfnBlockSource& source,
                         std::span<const uint32_t> neurons) override {
    ++loads;
    ++loaded;
    std::vector<uint32_t> list(neurons.begin(), neurons.end());
    if (reversed) std::reverse(list.begin(), list.end());
    return tier_->Load(source, list);
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

const DType kTypes[] = {DType::kF32, DType::kF16, DType::kBF16, DType::kQ8_0, DType::kQ4_0};

TinyModel Model(const std::string& arch, DType type, const std::string& activation = "relu") {
  TinyModel model;
  model.arch = arch;
  model.type = type;
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
    block.n_neurons = 48;
    EXPECT_STATUS(bench->cpu()->Load(block, Ids(48)), StatusCode::kModelUnsupported);
    block.n_neurons = 64;
    block.first_neuron = 16;
    EXPECT_STATUS(bench->cpu()->Load(block, Ids(64)), StatusCode::kModelUnsupported);
    block.first_neuron = 32;
    EXPECT_OK(bench->cpu()->Load(block, Ids(64)));
  }
}

TEST(SparseFfn, SeveralBlocksEqualOne) {
  for (const DType type : kTypes) {
    const auto bench = Bench::Make(Model("llama", type));
    ASSERT_TRUE(bench != nullptr);
    std::vector<FfnBlockSource> blocks(3, bench->blocks()[0]);
    const int64_t sizes[] = {96, 128, 64};
    int64_t first = 0;
    for (size_t b = 0; b < 3; ++b) {
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

#include "model/sparse_ffn_testing.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "util/testing.h"

namespace thermocline::ffn_testing {

TinyModel Model(const std::string& arch, WeightKind kind, const std::string& activation) {
  TinyModel model = TinyModelOf(kind.type);
  model.arch = arch;
  model.neuron_major = kind.neuron_major;
  model.activation = activation;
  return model;
}

namespace {

bool Same(const LayerPlan& a, const LayerPlan& b) {
  return a.order == b.order && std::ranges::equal(a.tier_end, b.tier_end);
}

}  // namespace

std::unique_ptr<Bench> Bench::Make(const TinyModel& model, int threads) {
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
  const Kernels* const others = testing::IsSlow() ? SelectKernels("auto") : &ReferenceKernels();
  bench->other_ = std::make_unique<CpuTier>(*bench->pool_, *others, bench->accountant_, kMaxTokens,
                                            Tier::kGpu);
  for (int64_t i = 0; i < kMaxTokens * bench->d_; ++i) {
    bench->x_.push_back(static_cast<float>(std::sin(0.37 * static_cast<double>(i * i % 1009))));
  }
  return bench;
}

std::vector<float> Bench::Run(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan,
                       Mode mode, int64_t first, int64_t n, FfnTotals* totals,
                       std::vector<float>* h) {
  return RunOn({other_.get(), cpu_.get(), nullptr}, blocks, plan, mode, first, n, totals, h);
}

std::vector<float> Bench::RunOn(FfnTiers tiers, const std::vector<FfnBlockSource>& blocks,
                         const LayerPlan& plan, Mode mode, int64_t first, int64_t n,
                         FfnTotals* totals, std::vector<float>* h) {
  return Compute(tiers, blocks, plan, {mode == Mode::kExact, {}, nullptr}, first, n, totals, h);
}

std::vector<float> Bench::Choose(const FfnChoice& choice, const LayerPlan& plan, int64_t first,
                          int64_t n, FfnTotals* totals,
                          std::vector<float>* h) {
  return Compute({other_.get(), cpu_.get(), nullptr}, blocks_, plan, choice, first, n, totals, h);
}

std::vector<float> Bench::Compute(FfnTiers tiers, const std::vector<FfnBlockSource>& blocks,
                           const LayerPlan& plan, const FfnChoice& choice, int64_t first,
                           int64_t n, FfnTotals* totals, std::vector<float>* h) {
  const bool own = &blocks == &blocks_ && tiers[0] == other_.get() && tiers[1] == cpu_.get();
  std::unique_ptr<SparseFfn> once;
  std::unique_ptr<SparseFfn>& ffn = own ? placed_ : once;
  if (ffn == nullptr || !Same(plan, plan_)) {
    ffn = std::make_unique<SparseFfn>(tiers);
    EXPECT_OK(ffn->Validate({blocks}, Plan{{plan}}));
    EXPECT_OK(ffn->Place(0, blocks, plan));
    if (own) plan_ = plan;
  }
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
  EXPECT_OK(ffn->Run(0, choice, input, x, out, h == nullptr ? nullptr : h->data(),
                    totals == nullptr ? &local : totals));
  return y;
}

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

std::vector<std::vector<uint32_t>> Firing(const std::vector<float>& h, int64_t tokens) {
  const size_t n = h.size() / static_cast<size_t>(tokens);
  std::vector<std::vector<uint32_t>> lists(static_cast<size_t>(tokens));
  for (size_t i = 0; i < h.size(); ++i) {
    if (h[i] != 0) lists[i / n].push_back(static_cast<uint32_t>(i % n));
  }
  return lists;
}

}  // namespace thermocline::ffn_testing

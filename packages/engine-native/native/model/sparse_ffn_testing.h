// What the tests of SparseFfn share: the FFN of a tiny model on two tiers, and lists of neurons.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "model/mode.h"
#include "model/sparse_ffn.h"
#include "model/tiny_model.h"
#include "model/weights.h"
#include "tiers/cpu_tier.h"
#include "util/testing.h"
#include "util/thread_pool.h"

namespace thermocline::ffn_testing {

constexpr int64_t kMaxTokens = 16;
// Where DESIGN asks for equality of n neurons on two tiers: none, all but one, all, and on both
// sides of groups, chunks and lanes; some of these where tests run slowly.
inline std::vector<int64_t> Splits(int64_t n) {
  if (testing::IsSlow()) return {0, 65, 256, n - 1};
  return {0, 1, 63, 64, 65, 255, 256, 257, n - 1, n};
}

// A type of weights in the usual layout, or with the down matrix packed neuron by neuron.
struct WeightKind {
  DType type;
  bool neuron_major;

  WeightKind(DType type_, bool neuron_major_ = false) : type(type_), neuron_major(neuron_major_) {}
};
// All, or one of each sort where tests run slowly.
inline std::vector<WeightKind> WeightKinds() {
  std::vector<WeightKind> kinds = {DType::kF32,          DType::kF16,  DType::kQ8_0, DType::kQ4_0,
                                   {DType::kQ4_0, true}, DType::kQ4_K, DType::kQ6_K};
  if (testing::IsSlow()) return kinds;
  kinds.insert(kinds.end(), {DType::kBF16,
                             DType::kQ5_K,
                             {DType::kF32, true},
                             {DType::kF16, true},
                             {DType::kBF16, true},
                             {DType::kQ8_0, true}});
  return kinds;
}

// How far sums may be apart, of the largest value, that add up the same neurons over other tiers.
// Quantised down matrices take h in 16 bits, in steps that follow from a tier's own neurons.
inline float Tolerance(WeightKind kind) { return BlockElements(kind.type) == 1 ? 1e-5F : 1e-4F; }

struct Kind {
  const char* arch;
  const char* activation;
};
// Gated, not gated and with biases, gated twice; the last has no exact zeros.
constexpr Kind kReluKinds[] = {{"llama", "relu"}, {"opt", "relu"}, {"llama", "drelu"},
                               {"llama", "relu2"}};

TinyModel Model(const std::string& arch, WeightKind kind, const std::string& activation = "relu");

// The first layer's FFN of a tiny model, on two tiers: the best kernels as cpu, and in the place of a
// GPU the scalar reference, or the best again where tests run slowly.
class Bench {
 public:
  static std::unique_ptr<Bench> Make(const TinyModel& model, int threads = 2);

  // y for n tokens from `first`; h by neuron id when wanted.
  std::vector<float> Run(const std::vector<FfnBlockSource>& blocks, const LayerPlan& plan,
                         Mode mode, int64_t first, int64_t n, FfnTotals* totals = nullptr,
                         std::vector<float>* h = nullptr);
  std::vector<float> RunOn(FfnTiers tiers, const std::vector<FfnBlockSource>& blocks,
                           const LayerPlan& plan, Mode mode, int64_t first, int64_t n,
                           FfnTotals* totals = nullptr, std::vector<float>* h = nullptr);
  std::vector<float> Choose(const FfnChoice& choice, const LayerPlan& plan, int64_t first,
                            int64_t n, FfnTotals* totals = nullptr,
                            std::vector<float>* h = nullptr);
  std::vector<float> Compute(FfnTiers tiers, const std::vector<FfnBlockSource>& blocks,
                             const LayerPlan& plan, const FfnChoice& choice, int64_t first,
                             int64_t n, FfnTotals* totals, std::vector<float>* h);

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
  std::unique_ptr<SparseFfn> placed_;  // kept for runs with the same plan
  LayerPlan plan_;
  std::vector<float> x_;
};

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

std::vector<uint32_t> Ids(int64_t n);
std::vector<uint32_t> Shuffled(int64_t n, uint64_t seed);
float MaxDifference(const std::vector<float>& a, const std::vector<float>& b);
float Largest(const std::vector<float>& a);

// Token by token, each neuron with the given chance.
std::vector<std::vector<uint32_t>> RandomLists(int64_t tokens, int64_t n, int percent,
                                               uint64_t seed);
ActiveSet SetOf(const std::vector<std::vector<uint32_t>>& lists, int64_t n);
// The neurons with h != 0, token by token.
std::vector<std::vector<uint32_t>> Firing(const std::vector<float>& h, int64_t tokens);

}  // namespace thermocline::ffn_testing

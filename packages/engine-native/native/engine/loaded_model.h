// A model in memory: its weights in their tiers, its predictors, and the forward pass over them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "engine/engine.h"
#include "engine/job.h"
#include "model/sparse_ffn.h"
#include "model/transformer.h"
#include "model/weights.h"
#include "sparsity/predictors.h"
#include "tiers/cpu_tier.h"
#include "util/page_size.h"
#include "util/thread_pool.h"

namespace thermocline {

// Tokens per pass over the weights. More would not be faster: at this size prefill is bound by
// arithmetic, and working memory grows with it.
constexpr int64_t kMaxBatchTokens = 256;

// Not thread-safe: the engine's thread uses it alone once it is loaded.
class LoadedModel {
 public:
  // Plans every byte first, so that a model that does not fit is refused before any is read.
  // `file` and `kernels` outlive the model; memory goes through `cpu`.
  static Result<std::unique_ptr<LoadedModel>> Load(const ModelFile& file, const EngineInfo& info,
                                                   const Kernels& kernels,
                                                   const EngineOptions& options,
                                                   std::shared_ptr<Accountant> cpu);

  const LoadReport& load_report() const { return load_report_; }
  // Where the weights are.
  std::vector<MemoryRange> WeightMemory() const;

  // Runs the slices in one pass and appends their tokens to their sessions. `norms` are those of
  // the down matrices when the batch is to be audited, else null.
  Status Compute(std::span<const Slice> slices, const BatchOptions& options,
                 const DownNorms* norms, const std::function<bool()>& stop,
                 std::vector<SliceOutcome>* outcomes);

  // Layers are placed anew one after another; each is whole at any moment, so a failure between
  // two leaves a model that computes the same.
  Status ApplyPlan(const Plan& plan);

  // Null removes them. What was there stays when the new ones do not fit their budget.
  Status SetPredictors(const PredictorSet* set);
  const Predictors* predictors() const { return predictors_.get(); }

 private:
  LoadedModel(const EngineInfo& info, const Kernels& kernels, std::shared_ptr<Accountant> cpu);
  Status Read(const ModelFile& file, const EngineOptions& options);
  LoadOptions HowToRead() const;
  Status CheckArtifacts(const EngineOptions& options) const;
  Status CheckPredictors(const PredictorSet& set) const;
  // Room for what an audit needs, kept once it was asked for.
  Status ReserveAudit();
  StepStats StatsOf(const ForwardOutcome& outcome, size_t slice, int64_t tokens,
                    int64_t batch_tokens, double time_ms) const;

  const Hyperparameters model_;
  const int64_t context_;
  const std::string fingerprint_;
  const Kernels& kernels_;
  const std::shared_ptr<Accountant> cpu_;
  ThreadPool pool_;
  CpuTier cpu_tier_;
  SparseFfn ffn_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<Transformer> transformer_;
  std::unique_ptr<Predictors> predictors_;
  Reservation predictor_memory_, audit_memory_;
  LoadReport load_report_;
};

// The system's own budget: what it can hand out before it takes memory from others.
Status CheckSystemHas(uint64_t bytes, const std::string& what, const std::string& remedy);

}  // namespace thermocline

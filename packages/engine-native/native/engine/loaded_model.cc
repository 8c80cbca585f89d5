#include "engine/loaded_model.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "util/system_memory.h"

namespace thermocline {

Status CheckSystemHas(uint64_t bytes, const std::string& what, const std::string& remedy) {
  const uint64_t available = AvailableMemoryBytes();
  if (available == 0 || bytes <= available) return Status::Ok();
  return Status(StatusCode::kOutOfMemory, what + " needs " + std::to_string(bytes) +
                                              " bytes, the system has " +
                                              std::to_string(available) + " available; " + remedy);
}

LoadedModel::LoadedModel(const EngineInfo& info, const Kernels& kernels,
                         std::shared_ptr<Accountant> cpu)
    : model_(info.model),
      context_(info.context),
      fingerprint_(info.fingerprint),
      kernels_(kernels),
      cpu_(std::move(cpu)),
      pool_(info.threads),
      cpu_tier_(pool_, kernels_, cpu_, kMaxBatchTokens),
      ffn_(FfnTiers{nullptr, &cpu_tier_, nullptr}) {}

Result<std::unique_ptr<LoadedModel>> LoadedModel::Load(const ModelFile& file,
                                                       const EngineInfo& info,
                                                       const Kernels& kernels,
                                                       const EngineOptions& options,
                                                       std::shared_ptr<Accountant> cpu) {
  std::unique_ptr<LoadedModel> model(new LoadedModel(info, kernels, std::move(cpu)));
  RETURN_IF_ERROR(model->CheckArtifacts(options));
  RETURN_IF_ERROR(model->Read(file, options));
  return model;
}

// An artifact of another model would fit by chance at best.
Status LoadedModel::CheckArtifacts(const EngineOptions& options) const {
  if (!options.plan.layers.empty() && options.plan_fingerprint != fingerprint_) {
    return Status(StatusCode::kArtifactModelMismatch,
                  "the plan was made for the model " + options.plan_fingerprint +
                      ", this one is " + fingerprint_ + "; solve a plan for this model");
  }
  if (options.predictors == nullptr) return Status::Ok();
  return CheckPredictors(*options.predictors);
}

Status LoadedModel::CheckPredictors(const PredictorSet& set) const {
  if (set.fingerprint != fingerprint_) {
    return Status(StatusCode::kArtifactModelMismatch,
                  "the predictor set was made for the model " + set.fingerprint +
                      ", this one is " + fingerprint_ + "; train predictors for this model");
  }
  return Predictors::Check(set, model_.d_model, model_.n_ff);
}

Status LoadedModel::Read(const ModelFile& file, const EngineOptions& options) {
  ASSIGN_OR_RETURN(WeightPlan weight_plan, WeightPlan::Make(file, model_));
  weight_plan.SetChosenFirst(options.predictors != nullptr);
  const Plan& plan = options.plan;
  RETURN_IF_ERROR(ffn_.Validate(weight_plan.ffn_blocks(), plan));

  // The only tier there is holds whole layers, whatever their order.
  uint64_t ffn_bytes = 0;
  int64_t widest_block = 0;
  for (const auto& blocks : weight_plan.ffn_blocks()) {
    for (const FfnBlockSource& block : blocks) {
      ffn_bytes += cpu_tier_.PlannedBytes(block, block.n_neurons);
      widest_block = std::max(widest_block, block.n_neurons);
    }
  }
  const uint64_t weight_bytes = weight_plan.bytes() + ffn_bytes;
  const uint64_t scratch_bytes =
      Transformer::ScratchBytes(model_, kernels_, kMaxBatchTokens, context_, pool_.n_threads()) +
      CpuTier::ScratchBytes(widest_block, model_.d_model, kMaxBatchTokens);
  RETURN_IF_ERROR(cpu_->Plan(weight_bytes, "weights").WithPath(file.path()));
  RETURN_IF_ERROR(cpu_->Plan(scratch_bytes, "scratch").WithPath(file.path()));
  RETURN_IF_ERROR(CheckSystemHas(weight_bytes + scratch_bytes, "the model",
                                 "close other programs or take a smaller model"));
  if (options.predictors != nullptr) RETURN_IF_ERROR(SetPredictors(options.predictors.get()));

  LoadList reads;
  ASSIGN_OR_RETURN(Weights weights, weight_plan.Load(*cpu_, reads));
  weights_ = std::make_unique<Weights>(std::move(weights));
  for (size_t layer = 0; layer < weights_->layers.size(); ++layer) {
    RETURN_IF_ERROR(ffn_.Append(weights_->layers[layer].ffn_blocks,
                                plan.layers.empty() ? LayerPlan{} : plan.layers[layer], reads));
  }
  LoadOptions how = HowToRead();
  // Room that the transformer's working memory takes later.
  how.staging_bytes = std::min(
      how.staging_bytes,
      Transformer::ScratchBytes(model_, kernels_, kMaxBatchTokens, context_, pool_.n_threads()));
  how.progress = [&options](const LoadProgress& progress) -> Status {
    if (options.cancel != nullptr && *options.cancel) {
      return Status(StatusCode::kAborted, "opening the model was aborted");
    }
    if (options.progress) options.progress(progress);
    return Status::Ok();
  };
  ASSIGN_OR_RETURN(load_report_, reads.Run(how));
  ASSIGN_OR_RETURN(Transformer transformer,
                   Transformer::Create(model_, *weights_, ffn_, pool_, kernels_, *cpu_,
                                       kMaxBatchTokens, context_));
  transformer_ = std::make_unique<Transformer>(std::move(transformer));
  return Status::Ok();
}

Status LoadedModel::ApplyPlan(const Plan& plan) {
  std::vector<std::vector<FfnBlockSource>> blocks;
  for (const LayerWeights& layer : weights_->layers) blocks.push_back(layer.ffn_blocks);
  RETURN_IF_ERROR(ffn_.Validate(blocks, plan));
  for (size_t layer = 0; layer < blocks.size(); ++layer) {
    RETURN_IF_ERROR(ffn_.Place(static_cast<int64_t>(layer), blocks[layer],
                               plan.layers.empty() ? LayerPlan{} : plan.layers[layer],
                               HowToRead()));
  }
  return Status::Ok();
}

LoadOptions LoadedModel::HowToRead() const {
  LoadOptions options;
  options.threads = pool_.n_threads();
  options.accountant = cpu_.get();
  return options;
}

std::vector<MemoryRange> LoadedModel::WeightMemory() const {
  std::vector<MemoryRange> ranges = cpu_tier_.Memory();
  ranges.push_back({weights_->memory.data(), weights_->memory.size()});
  return ranges;
}

Status LoadedModel::SetPredictors(const PredictorSet* set) {
  if (set == nullptr) {
    predictors_.reset();
    predictor_memory_ = Reservation();
    return Status::Ok();
  }
  RETURN_IF_ERROR(CheckPredictors(*set));
  const uint64_t bytes =
      Predictors::PlannedBytes(*set, model_.d_model, model_.n_ff, kMaxBatchTokens);
  ASSIGN_OR_RETURN(Reservation memory, cpu_->PlanAndReserve(bytes, "predictors"));
  RETURN_IF_ERROR(CheckSystemHas(bytes, "the predictor set", "take smaller predictors"));
  ASSIGN_OR_RETURN(Predictors predictors,
                   Predictors::Create(*set, model_.d_model, model_.n_ff, kMaxBatchTokens));
  predictors_ = std::make_unique<Predictors>(std::move(predictors));
  predictor_memory_ = std::move(memory);
  return Status::Ok();
}

Status LoadedModel::ReserveAudit() {
  if (audit_memory_.bytes() > 0) return Status::Ok();
  ASSIGN_OR_RETURN(audit_memory_, cpu_->PlanAndReserve(transformer_->AuditBytes(kMaxBatchTokens),
                                                       "scratch"));
  return Status::Ok();
}

Status LoadedModel::Compute(std::span<const Slice> slices, const BatchOptions& options,
                            const DownNorms* norms, const std::function<bool()>& stop,
                            std::vector<SliceOutcome>* outcomes) {
  const auto start = std::chrono::steady_clock::now();
  if (norms != nullptr) RETURN_IF_ERROR(ReserveAudit());
  std::vector<ForwardItem> items;
  int64_t n_tokens = 0;
  for (const Slice& slice : slices) {
    items.push_back({&slice.session->cache(), slice.session->cached(), slice.tokens,
                     slice.logits, static_cast<int64_t>(slice.item)});
    n_tokens += static_cast<int64_t>(slice.tokens.size());
  }
  ForwardOutcome outcome;
  RETURN_IF_ERROR(transformer_->Forward(
      items, {options.mode, predictors_.get(), options.observer, norms}, stop, &outcome));
  const double time_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();

  outcomes->resize(slices.size());
  for (size_t i = 0; i < slices.size(); ++i) {
    slices[i].session->Commit(slices[i].session->cached(), slices[i].tokens);
    SliceOutcome& result = (*outcomes)[i];
    result.logits = std::move(outcome.logits[i]);
    if (norms != nullptr) result.audit = std::move(outcome.audits[i]);
    result.stats = StatsOf(outcome, i, static_cast<int64_t>(slices[i].tokens.size()), n_tokens,
                           time_ms);
  }
  return Status::Ok();
}

// What a batch reads is read for all of it: each slice is charged by its tokens. Time passes for
// all alike.
StepStats LoadedModel::StatsOf(const ForwardOutcome& outcome, size_t slice, int64_t tokens,
                               int64_t batch_tokens, double time_ms) const {
  const auto share = [&](uint64_t bytes) {
    return bytes * static_cast<uint64_t>(tokens) / static_cast<uint64_t>(batch_tokens);
  };
  StepStats stats;
  stats.tokens = tokens;
  stats.time_ms = time_ms;
  stats.ffn_ms = outcome.ffn_ms;
  for (size_t t = 0; t < kTiers; ++t) {
    stats.bytes_read[t] = share(outcome.bytes_read[t]);
    stats.ffn_bytes_read[t] = share(outcome.ffn_bytes_read[t]);
  }
  for (size_t layer = 0; layer < outcome.predictor.size(); ++layer) {
    const LayerCounts& counts = outcome.counts[slice][layer];
    stats.fired.push_back(counts.fired);
    stats.computed.push_back(counts.computed);
    stats.neurons.push_back(
        static_cast<uint64_t>(ffn_.n_neurons(static_cast<int64_t>(layer)) * tokens));
    stats.predictor_bytes.push_back(share(outcome.predictor[layer].bytes));
    stats.predictor_ms.push_back(outcome.predictor[layer].ms);
  }
  return stats;
}

}  // namespace thermocline

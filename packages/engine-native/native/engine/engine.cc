#include "engine/engine.h"

#include <mutex>
#include <thread>

#include "engine/allowed_modes.h"
#include "engine/describe_model.h"
#include "engine/job.h"
#include "engine/loaded_model.h"
#include "engine/out_of_memory.h"
#include "engine/scheduler.h"

namespace thermocline {
namespace {

Status InvalidArgument(std::string message) {
  return Status(StatusCode::kInvalidArgument, std::move(message));
}

Status CheckOptions(const EngineOptions& options) {
  if (options.threads < 0 || options.threads > 1024) {
    return InvalidArgument("threads must be 0 (one per core) to 1024");
  }
  if (options.context < 0) return InvalidArgument("context must be 0 (the model's) or more");
  if (options.kv_type != DType::kF16 && options.kv_type != DType::kF32) {
    return InvalidArgument("the KV cache may be f16 or f32");
  }
  return Status::Ok();
}

class LoadedEngine : public Engine {
 public:
  ~LoadedEngine() override { Close(); }

  Status Load(const std::string& path, const EngineOptions& options);

  EngineInfo info() const override;
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  std::vector<TierMemory> memory() const override { return {cpu_->memory()}; }

  Result<std::shared_ptr<const DownNorms>> ReadDownNorms(const CancelFlag& cancel) override;
  Result<FirstMatrix> ReadFirstMatrix(int64_t layer, const CancelFlag& cancel) override;
  Result<std::shared_ptr<Session>> CreateSession(const SessionOptions& options) override;
  void Step(std::vector<StepItem> items, StepOptions options, StepDone done) override;
  void Generate(std::shared_ptr<Session> session, std::vector<TokenId> prompt,
                GenerateOptions options, ChunkFn chunk, GenerateDone done) override;
  void Truncate(std::shared_ptr<Session> session, int64_t length, StatusDone done) override;
  void Fork(std::shared_ptr<Session> session, SessionDone done) override;
  void CloseSession(std::shared_ptr<Session> session, StatusDone done) override;
  void SetPlan(Plan plan, StatusDone done) override;
  void SetPredictors(std::shared_ptr<const PredictorSet> set, StatusDone done) override;
  void Close() override;

  // Deletes the engine, from any thread: its own, where a callback may let go of it last, cannot
  // wait for itself and leaves the waiting to another.
  static void Dispose(LoadedEngine* engine);

 private:
  Status CheckSession(const Session& session) const;
  Status CheckTokens(std::span<const TokenId> tokens) const;
  Status CheckItems(const std::vector<StepItem>& items) const;
  CheckModeFn ModeCheck();
  void PublishModes();
  void DescribeLoading();
  Status Compute(std::span<const Slice> slices, const BatchOptions& options,
                 const std::function<bool()>& stop, std::vector<SliceOutcome>* outcomes);
  Result<std::shared_ptr<Session>> MakeSession(int64_t context, DType kv_type);
  Result<std::shared_ptr<const DownNorms>> Norms(const std::function<bool()>& stop);
  void AddControl(std::shared_ptr<Session> session, std::function<Status()> action,
                  StatusDone done);
  void AddExclusive(std::function<Status()> action, StatusDone done);

  EngineInfo info_;  // all but the modes, which change
  mutable std::mutex modes_mutex_;
  std::vector<Mode> modes_;
  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Tokenizer> tokenizer_;
  const Kernels* kernels_ = nullptr;
  std::shared_ptr<Accountant> cpu_;
  std::unique_ptr<LoadedModel> model_;
  std::mutex sessions_mutex_;
  std::vector<std::weak_ptr<Session>> sessions_;
  bool closed_ = false;
  std::unique_ptr<Scheduler> scheduler_;
  std::mutex close_mutex_;
  std::mutex norms_mutex_;
  std::shared_ptr<const DownNorms> down_norms_;  // once they were asked for
};

Status LoadedEngine::Load(const std::string& path, const EngineOptions& options) {
  RETURN_IF_ERROR(CheckOptions(options));
  kernels_ = SelectKernels(options.kernels.c_str());
  if (kernels_ == nullptr) {
    return InvalidArgument("kernel set '" + options.kernels +
                           "' is unknown or does not run on this processor");
  }
  ASSIGN_OR_RETURN(file_, OpenModelFile(path));
  ASSIGN_OR_RETURN(const Hyperparameters model, file_->hyperparameters());
  ASSIGN_OR_RETURN(VocabularyData vocabulary, file_->vocabulary());
  if (vocabulary.kind == VocabularyData::Kind::kNone) {
    return Status(StatusCode::kTokenizerUnsupported, "the model carries no vocabulary", path);
  }
  if (static_cast<int64_t>(vocabulary.tokens.size()) > model.vocab) {
    return Status(StatusCode::kModelCorrupt,
                  "the vocabulary has " + std::to_string(vocabulary.tokens.size()) +
                      " tokens, the embedding " + std::to_string(model.vocab) + " rows",
                  path);
  }
  ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Create(std::move(vocabulary), path));
  ASSIGN_OR_RETURN(info_, DescribeModel(*file_, model, *tokenizer_, options));
  info_.kernels = kernels_->name;
  cpu_ = std::make_shared<Accountant>(Tier::kCpu, options.ram_budget);
  ASSIGN_OR_RETURN(model_, LoadedModel::Load(*file_, info_, *kernels_, options, cpu_));
  DescribeLoading();
  PublishModes();
  scheduler_ = std::make_unique<Scheduler>(
      [this](std::span<const Slice> slices, const BatchOptions& batch,
             const std::function<bool()>& stop, std::vector<SliceOutcome>* outcomes) {
        return Compute(slices, batch, stop, outcomes);
      },
      kMaxBatchTokens);
  return Status::Ok();
}

EngineInfo LoadedEngine::info() const {
  EngineInfo info = info_;
  const std::lock_guard lock(modes_mutex_);
  info.modes = modes_;
  return info;
}

void LoadedEngine::DescribeLoading() {
  info_.load = model_->load_report();
  const std::vector<MemoryRange> memory = model_->WeightMemory();
  for (const MemoryRange& range : memory) info_.weight_bytes += range.bytes;
  info_.huge_page_bytes = HugePageBytes(memory);
}

void LoadedEngine::PublishModes() {
  const std::lock_guard lock(modes_mutex_);
  modes_ = AllowedModes(info_.model, model_->predictors());
}

Result<std::shared_ptr<const DownNorms>> LoadedEngine::ReadDownNorms(const CancelFlag& cancel) {
  {
    const std::lock_guard lock(sessions_mutex_);
    if (closed_) return Status(StatusCode::kClosed, "the engine is closed");
  }
  return Norms([&cancel] { return cancel != nullptr && *cancel; });
}

Result<std::shared_ptr<const DownNorms>> LoadedEngine::Norms(const std::function<bool()>& stop) {
  const std::lock_guard lock(norms_mutex_);
  if (down_norms_ != nullptr) return down_norms_;
  // From the file, which stays when the engine closes, and not from the weights, which do not.
  ASSIGN_OR_RETURN(const WeightPlan plan, WeightPlan::Make(*file_, info_.model));
  ASSIGN_OR_RETURN(DownNorms norms, LoadDownNorms(plan.ffn_blocks(), *kernels_, stop));
  down_norms_ = std::make_shared<const DownNorms>(std::move(norms));
  return down_norms_;
}

Result<FirstMatrix> LoadedEngine::ReadFirstMatrix(int64_t layer, const CancelFlag& cancel) {
  {
    const std::lock_guard lock(sessions_mutex_);
    if (closed_) return Status(StatusCode::kClosed, "the engine is closed");
  }
  if (layer < 0 || layer >= info_.model.layers) {
    return InvalidArgument("layer " + std::to_string(layer) + " is not one of the model's " +
                           std::to_string(info_.model.layers));
  }
  ASSIGN_OR_RETURN(const WeightPlan plan, WeightPlan::Make(*file_, info_.model));
  return LoadFirstMatrix(plan.ffn_blocks()[static_cast<size_t>(layer)], *kernels_, cancel.get());
}

Result<std::shared_ptr<Session>> LoadedEngine::CreateSession(const SessionOptions& options) {
  if (options.context < 0 || options.context > info_.context) {
    return InvalidArgument("a session's context must be 0 (the engine's) to " +
                           std::to_string(info_.context));
  }
  if (options.kv_type != DType::kF16 && options.kv_type != DType::kF32) {
    return InvalidArgument("the KV cache may be f16 or f32");
  }
  return MakeSession(options.context > 0 ? options.context : info_.context,
                     options.kv_type_set ? options.kv_type : info_.kv_type);
}

Result<std::shared_ptr<Session>> LoadedEngine::MakeSession(int64_t context, DType kv_type) {
  // Held throughout, so that Close cannot run between the making and the listing.
  const std::lock_guard lock(sessions_mutex_);
  if (closed_) return Status(StatusCode::kClosed, "the engine is closed");
  const KvShape shape = {info_.model.layers, info_.model.kv_heads, info_.model.head_dim, context};
  // The pages come as they are written: asked now, so that it is not the system that ends us then.
  RETURN_IF_ERROR(CheckSystemHas(
      shape.LayerBytes(kv_type) * static_cast<uint64_t>(shape.layers),
      "a KV cache for " + std::to_string(context) + " tokens", "shorten the context"));
  ASSIGN_OR_RETURN(KvCache cache, KvCache::Create(shape, kv_type, *cpu_));
  auto session = std::make_shared<Session>(this, std::move(cache), context);
  std::erase_if(sessions_, [](const auto& s) { return s.expired(); });
  sessions_.push_back(session);
  return session;
}

Status LoadedEngine::CheckSession(const Session& session) const {
  RETURN_IF_ERROR(CheckOpen(session));
  if (session.BelongsTo(this)) return Status::Ok();
  return InvalidArgument("the session is one of another engine");
}

Status LoadedEngine::CheckTokens(std::span<const TokenId> tokens) const {
  for (const TokenId token : tokens) {
    if (token >= 0 && token < info_.model.vocab) continue;
    return InvalidArgument("token id " + std::to_string(token) + " is outside the vocabulary of " +
                           std::to_string(info_.model.vocab));
  }
  return Status::Ok();
}

CheckModeFn LoadedEngine::ModeCheck() {
  return [this](Mode mode) { return CheckMode(mode, info_.model, model_->predictors()); };
}

Status LoadedEngine::CheckItems(const std::vector<StepItem>& items) const {
  for (size_t i = 0; i < items.size(); ++i) {
    RETURN_IF_ERROR(CheckSession(*items[i].session));
    RETURN_IF_ERROR(CheckTokens(items[i].tokens));
    for (size_t j = 0; j < i; ++j) {
      if (items[j].session == items[i].session) {
        return InvalidArgument("a session may stand in one item of a step only");
      }
    }
    int64_t last = -1;
    for (const int64_t index : items[i].logits) {
      if (index <= last || index >= static_cast<int64_t>(items[i].tokens.size())) {
        return InvalidArgument("logits are wanted at ascending indices of the item's tokens");
      }
      last = index;
    }
  }
  return Status::Ok();
}

void LoadedEngine::Step(std::vector<StepItem> items, StepOptions options, StepDone done) {
  Status status = CheckItems(items);
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  scheduler_->Add(std::make_unique<StepJob>(std::move(items), std::move(options), ModeCheck(),
                                            std::move(done)));
}

void LoadedEngine::Generate(std::shared_ptr<Session> session, std::vector<TokenId> prompt,
                            GenerateOptions options, ChunkFn chunk, GenerateDone done) {
  const auto check = [&]() -> Status {
    RETURN_IF_ERROR(CheckSession(*session));
    RETURN_IF_ERROR(CheckTokens(prompt));
    RETURN_IF_ERROR(ValidateSampling(options.sampling));
    for (const std::string& stop : options.stop) {
      if (stop.empty()) return InvalidArgument("a stop text must not be empty");
    }
    return Status::Ok();
  };
  Status status = check();
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  scheduler_->Add(std::make_unique<GenerateJob>(*tokenizer_, std::move(session), std::move(prompt),
                                                std::move(options), ModeCheck(),
                                                std::move(chunk), std::move(done)));
}

void LoadedEngine::Truncate(std::shared_ptr<Session> session, int64_t length, StatusDone done) {
  auto action = [this, session, length]() -> Status {
    RETURN_IF_ERROR(CheckSession(*session));
    if (length < 0 || length > session->length()) {
      return InvalidArgument("a session of " + std::to_string(session->length()) +
                             " tokens cannot be truncated to " + std::to_string(length));
    }
    session->Truncate(length);
    return Status::Ok();
  };
  AddControl(std::move(session), std::move(action), std::move(done));
}

void LoadedEngine::Fork(std::shared_ptr<Session> session, SessionDone done) {
  auto copy = std::make_shared<std::shared_ptr<Session>>();
  auto action = [this, session, copy]() -> Status {
    RETURN_IF_ERROR(CheckSession(*session));
    ASSIGN_OR_RETURN(*copy, MakeSession(session->context(), session->cache().type()));
    (*copy)->CopyFrom(*session);
    return Status::Ok();
  };
  auto finish = [copy, done = std::move(done)](Status status) {
    if (status.ok()) {
      done(std::move(*copy));
    } else {
      done(std::move(status));
    }
  };
  AddControl(std::move(session), std::move(action), std::move(finish));
}

void LoadedEngine::CloseSession(std::shared_ptr<Session> session, StatusDone done) {
  session->MarkClosed();
  auto action = [session]() -> Status {
    session->Free();
    return Status::Ok();
  };
  AddControl(std::move(session), std::move(action), std::move(done));
}

void LoadedEngine::SetPlan(Plan plan, StatusDone done) {
  AddExclusive([this, plan = std::move(plan)] { return model_->ApplyPlan(plan); },
               std::move(done));
}

void LoadedEngine::SetPredictors(std::shared_ptr<const PredictorSet> set, StatusDone done) {
  auto action = [this, set = std::move(set)]() -> Status {
    RETURN_IF_ERROR(model_->SetPredictors(set.get()));
    PublishModes();
    return Status::Ok();
  };
  AddExclusive(std::move(action), std::move(done));
}

void LoadedEngine::AddControl(std::shared_ptr<Session> session, std::function<Status()> action,
                              StatusDone done) {
  scheduler_->Add(std::make_unique<ControlJob>(std::vector{std::move(session)}, false,
                                               std::move(action), std::move(done)));
}

void LoadedEngine::AddExclusive(std::function<Status()> action, StatusDone done) {
  scheduler_->Add(std::make_unique<ControlJob>(std::vector<std::shared_ptr<Session>>{}, true,
                                               std::move(action), std::move(done)));
}

Status LoadedEngine::Compute(std::span<const Slice> slices, const BatchOptions& options,
                             const std::function<bool()>& stop,
                             std::vector<SliceOutcome>* outcomes) {
  std::shared_ptr<const DownNorms> norms;
  if (options.audit) {
    ASSIGN_OR_RETURN(norms, Norms(stop));
  }
  return CatchOutOfMemory(
      [&] { return model_->Compute(slices, options, norms.get(), stop, outcomes); });
}

void LoadedEngine::Dispose(LoadedEngine* engine) {
  if (engine->scheduler_ != nullptr && engine->scheduler_->OnOwnThread()) {
    std::thread([engine] { delete engine; }).detach();
  } else {
    delete engine;
  }
}

void LoadedEngine::Close() {
  const std::lock_guard once(close_mutex_);
  if (scheduler_ != nullptr) scheduler_->Close();
  const std::lock_guard lock(sessions_mutex_);
  closed_ = true;
  for (const auto& weak : sessions_) {
    if (const auto session = weak.lock()) {
      session->MarkClosed();
      session->Free();
    }
  }
  sessions_.clear();
  model_.reset();
}

}  // namespace

const char* FinishReasonName(FinishReason reason) {
  switch (reason) {
    case FinishReason::kEos: return "eos";
    case FinishReason::kStop: return "stop";
    case FinishReason::kLength: return "length";
    case FinishReason::kContext: return "context";
    case FinishReason::kAborted: return "aborted";
  }
  return "?";
}

Result<std::shared_ptr<Engine>> Engine::Open(const std::string& path,
                                             const EngineOptions& options) {
  const std::shared_ptr<LoadedEngine> engine(new LoadedEngine, &LoadedEngine::Dispose);
  RETURN_IF_ERROR(
      CatchOutOfMemory([&] { return engine->Load(path, options).WithPath(path); }));
  return std::shared_ptr<Engine>(engine);
}

}  // namespace thermocline

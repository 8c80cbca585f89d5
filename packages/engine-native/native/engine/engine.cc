#include "engine/engine.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <mutex>
#include <thread>

#include "engine/job.h"
#include "engine/out_of_memory.h"
#include "engine/scheduler.h"
#include "model/sparse_ffn.h"
#include "model/transformer.h"
#include "model/weights.h"
#include "tiers/cpu_tier.h"
#include "util/system_memory.h"
#include "util/thread_pool.h"

namespace thermocline {
namespace {

// Tokens per pass over the weights. More would not be faster: at this size prefill is bound by
// arithmetic, and working memory grows with it.
constexpr int64_t kMaxBatchTokens = 256;

int DefaultThreads() {
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

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

// The system's own budget: what it can hand out before it takes memory from others.
Status CheckSystemHas(uint64_t bytes, const std::string& what, const std::string& remedy) {
  const uint64_t available = AvailableMemoryBytes();
  if (available == 0 || bytes <= available) return Status::Ok();
  return Status(StatusCode::kOutOfMemory, what + " needs " + std::to_string(bytes) +
                                              " bytes, the system has " +
                                              std::to_string(available) + " available; " + remedy);
}

class LoadedEngine : public Engine {
 public:
  ~LoadedEngine() override { Close(); }

  Status Load(const std::string& path, const EngineOptions& options);

  const EngineInfo& info() const override { return info_; }
  const Tokenizer& tokenizer() const override { return *tokenizer_; }
  std::vector<TierMemory> memory() const override { return {cpu_->memory()}; }

  Result<std::shared_ptr<const DownNorms>> ReadDownNorms(const CancelFlag& cancel) override;
  Result<std::shared_ptr<Session>> CreateSession(const SessionOptions& options) override;
  void Step(std::vector<StepItem> items, StepOptions options, StepDone done) override;
  void Generate(std::shared_ptr<Session> session, std::vector<TokenId> prompt,
                GenerateOptions options, ChunkFn chunk, GenerateDone done) override;
  void Truncate(std::shared_ptr<Session> session, int64_t length, StatusDone done) override;
  void Fork(std::shared_ptr<Session> session, SessionDone done) override;
  void CloseSession(std::shared_ptr<Session> session, StatusDone done) override;
  void SetPlan(Plan plan, StatusDone done) override;
  void Close() override;

  // Deletes the engine, from any thread: its own, where a callback may let go of it last, cannot
  // wait for itself and leaves the waiting to another.
  static void Dispose(LoadedEngine* engine);

 private:
  Status DescribeModel(const EngineOptions& options);
  Status ReserveAndRead(const EngineOptions& options);
  Status CheckSession(const Session& session) const;
  Status CheckTokens(std::span<const TokenId> tokens) const;
  Status CheckMode(Mode mode) const;
  Status ApplyPlan(const Plan& plan);
  Status Compute(std::span<const Slice> slices, Mode mode, Observer* observer,
                 const std::function<bool()>& stop, std::vector<SliceOutcome>* outcomes);
  Result<std::shared_ptr<Session>> MakeSession(int64_t context, DType kv_type);
  KvShape ShapeFor(int64_t context) const;

  EngineInfo info_;
  std::unique_ptr<ModelFile> file_;
  std::unique_ptr<Tokenizer> tokenizer_;
  const Kernels* kernels_ = nullptr;
  std::shared_ptr<Accountant> cpu_;
  std::unique_ptr<ThreadPool> pool_;
  std::unique_ptr<CpuTier> cpu_tier_;
  std::unique_ptr<Weights> weights_;
  std::unique_ptr<SparseFfn> ffn_;
  std::unique_ptr<Transformer> transformer_;
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
  ASSIGN_OR_RETURN(info_.model, file_->hyperparameters());
  ASSIGN_OR_RETURN(VocabularyData vocabulary, file_->vocabulary());
  if (vocabulary.kind == VocabularyData::Kind::kNone) {
    return Status(StatusCode::kTokenizerUnsupported, "the model carries no vocabulary", path);
  }
  if (static_cast<int64_t>(vocabulary.tokens.size()) > info_.model.vocab) {
    return Status(StatusCode::kModelCorrupt,
                  "the vocabulary has " + std::to_string(vocabulary.tokens.size()) +
                      " tokens, the embedding " + std::to_string(info_.model.vocab) + " rows",
                  path);
  }
  ASSIGN_OR_RETURN(tokenizer_, Tokenizer::Create(std::move(vocabulary), path));
  RETURN_IF_ERROR(DescribeModel(options));
  RETURN_IF_ERROR(ReserveAndRead(options));
  scheduler_ = std::make_unique<Scheduler>(
      [this](std::span<const Slice> slices, Mode mode, Observer* observer,
             const std::function<bool()>& stop, std::vector<SliceOutcome>* outcomes) {
        return Compute(slices, mode, observer, stop, outcomes);
      },
      kMaxBatchTokens);
  return Status::Ok();
}

Status LoadedEngine::DescribeModel(const EngineOptions& options) {
  const Hyperparameters& model = info_.model;
  info_.path = file_->path();
  info_.container = file_->container();
  info_.name = model.name.empty() ? std::filesystem::path(file_->path()).filename().string()
                                  : model.name;
  ASSIGN_OR_RETURN(const Architecture* architecture, FindArchitecture(model));
  ASSIGN_OR_RETURN(const ActivationFunction activation, FindActivation(model));
  info_.gated = architecture->gated;
  info_.tied = file_->Find("output.weight") == nullptr;
  info_.modes = {Mode::kDense};
  if (HasExactZeros(activation)) {
    info_.modes.push_back(Mode::kExact);
    info_.default_mode = Mode::kExact;
  }
  const std::pair<const char*, const char*> roles[] = {{"embedding", "token_embd.weight"},
                                                       {"attention", "blk.0.attn_q.weight"},
                                                       {"ffn", "blk.0.ffn_up.weight"},
                                                       {"output", "output.weight"}};
  for (const auto& [role, name] : roles) {
    const TensorInfo* tensor = file_->Find(name);
    if (tensor != nullptr) info_.weight_types.emplace_back(role, DTypeName(tensor->type));
  }
  // Named only where they differ from up.
  const TensorInfo* const up = file_->Find("blk.0.ffn_up.weight");
  for (const char* const role : {"ffn_gate", "ffn_down"}) {
    const TensorInfo* const tensor = file_->Find("blk.0." + std::string(role) + ".weight");
    if (tensor == nullptr || up == nullptr || tensor->type == up->type) continue;
    info_.weight_types.emplace_back(role, DTypeName(tensor->type));
  }
  info_.threads = options.threads > 0 ? options.threads : DefaultThreads();
  info_.kernels = kernels_->name;
  if (options.context > model.context) {
    return InvalidArgument("a context of " + std::to_string(options.context) +
                           " tokens was asked for, the model was made for " +
                           std::to_string(model.context) + " (" + model.context_source + ")");
  }
  info_.context = options.context > 0 ? options.context : model.context;
  info_.context_source = options.context > 0 ? "option" : model.context_source;
  info_.kv_type = options.kv_type;
  info_.adds_bos = tokenizer_->adds_bos();
  ASSIGN_OR_RETURN(info_.fingerprint, file_->Fingerprint());
  return Status::Ok();
}

// Plans every byte first, so that a model that does not fit is refused before any is read.
Status LoadedEngine::ReserveAndRead(const EngineOptions& options) {
  const Hyperparameters& model = info_.model;
  ASSIGN_OR_RETURN(const WeightPlan weight_plan, WeightPlan::Make(*file_, model));
  const Plan& plan = options.plan;
  if (!plan.layers.empty() && options.plan_fingerprint != info_.fingerprint) {
    return Status(StatusCode::kArtifactModelMismatch,
                  "the plan was made for the model " + options.plan_fingerprint +
                      ", this one is " + info_.fingerprint + "; solve a plan for this model");
  }
  cpu_ = std::make_shared<Accountant>(Tier::kCpu, options.ram_budget);
  pool_ = std::make_unique<ThreadPool>(info_.threads);
  cpu_tier_ = std::make_unique<CpuTier>(*pool_, *kernels_, cpu_, kMaxBatchTokens);
  ffn_ = std::make_unique<SparseFfn>(FfnTiers{nullptr, cpu_tier_.get(), nullptr});
  RETURN_IF_ERROR(ffn_->Validate(weight_plan.ffn_blocks(), plan));

  // The only tier there is holds whole layers, whatever their order.
  uint64_t ffn_bytes = 0;
  int64_t widest_block = 0;
  for (const auto& blocks : weight_plan.ffn_blocks()) {
    for (const FfnBlockSource& block : blocks) {
      ffn_bytes += cpu_tier_->PlannedBytes(block, block.n_neurons);
      widest_block = std::max(widest_block, block.n_neurons);
    }
  }
  const uint64_t weight_bytes = weight_plan.bytes() + ffn_bytes;
  const uint64_t scratch_bytes =
      Transformer::ScratchBytes(model, kMaxBatchTokens, info_.context, info_.threads) +
      CpuTier::ScratchBytes(widest_block, model.d_model, kMaxBatchTokens);
  RETURN_IF_ERROR(cpu_->Plan(weight_bytes, "weights").WithPath(file_->path()));
  RETURN_IF_ERROR(cpu_->Plan(scratch_bytes, "scratch").WithPath(file_->path()));
  RETURN_IF_ERROR(CheckSystemHas(weight_bytes + scratch_bytes, "the model",
                                 "close other programs or take a smaller model"));

  uint64_t done = 0;
  const auto progress = [&](uint64_t bytes) -> Status {
    if (options.cancel != nullptr && *options.cancel) {
      return Status(StatusCode::kAborted, "opening the model was aborted");
    }
    if (options.progress) {
      options.progress(static_cast<double>(bytes) / static_cast<double>(weight_bytes));
    }
    return Status::Ok();
  };
  RETURN_IF_ERROR(progress(0));
  ASSIGN_OR_RETURN(Weights weights, weight_plan.Load(*cpu_, progress));
  weights_ = std::make_unique<Weights>(std::move(weights));
  done += weight_plan.bytes();

  for (int64_t layer = 0; layer < model.layers; ++layer) {
    const auto index = static_cast<size_t>(layer);
    const auto& blocks = weights_->layers[index].ffn_blocks;
    RETURN_IF_ERROR(
        ffn_->Place(layer, blocks, plan.layers.empty() ? LayerPlan{} : plan.layers[index]));
    for (const FfnBlockSource& block : blocks) {
      done += cpu_tier_->PlannedBytes(block, block.n_neurons);
    }
    RETURN_IF_ERROR(progress(done));
  }
  ASSIGN_OR_RETURN(Transformer transformer,
                   Transformer::Create(model, *weights_, *ffn_, *pool_, *kernels_, *cpu_,
                                       kMaxBatchTokens, info_.context));
  transformer_ = std::make_unique<Transformer>(std::move(transformer));
  return Status::Ok();
}

Result<std::shared_ptr<const DownNorms>> LoadedEngine::ReadDownNorms(const CancelFlag& cancel) {
  {
    const std::lock_guard lock(sessions_mutex_);
    if (closed_) return Status(StatusCode::kClosed, "the engine is closed");
  }
  const std::lock_guard lock(norms_mutex_);
  if (down_norms_ != nullptr) return down_norms_;
  // From the file, which stays when the engine closes, and not from the weights, which do not.
  ASSIGN_OR_RETURN(const WeightPlan plan, WeightPlan::Make(*file_, info_.model));
  ASSIGN_OR_RETURN(DownNorms norms, LoadDownNorms(plan.ffn_blocks(), *kernels_, cancel.get()));
  down_norms_ = std::make_shared<const DownNorms>(std::move(norms));
  return down_norms_;
}

KvShape LoadedEngine::ShapeFor(int64_t context) const {
  return {info_.model.layers, info_.model.kv_heads, info_.model.head_dim, context};
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
  const KvShape shape = ShapeFor(context);
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

Status LoadedEngine::CheckMode(Mode mode) const {
  if (std::find(info_.modes.begin(), info_.modes.end(), mode) != info_.modes.end()) {
    return Status::Ok();
  }
  return Status(StatusCode::kModeUnsupported,
                "mode 'exact' skips neurons that are exactly zero, and '" +
                    info_.model.activation + "' (from " + info_.model.activation_source +
                    ") makes none; use mode 'dense'");
}

void LoadedEngine::Step(std::vector<StepItem> items, StepOptions options, StepDone done) {
  const auto check = [&]() -> Status {
    RETURN_IF_ERROR(CheckMode(options.mode));
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
  };
  Status status = check();
  if (!status.ok()) {
    done(std::move(status));
    return;
  }
  scheduler_->Add(std::make_unique<StepJob>(std::move(items), std::move(options), std::move(done)));
}

void LoadedEngine::Generate(std::shared_ptr<Session> session, std::vector<TokenId> prompt,
                            GenerateOptions options, ChunkFn chunk, GenerateDone done) {
  const auto check = [&]() -> Status {
    RETURN_IF_ERROR(CheckSession(*session));
    RETURN_IF_ERROR(CheckMode(options.mode));
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
                                                std::move(options), std::move(chunk),
                                                std::move(done)));
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
  scheduler_->Add(std::make_unique<ControlJob>(std::vector{std::move(session)}, false,
                                               std::move(action), std::move(done)));
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
  scheduler_->Add(std::make_unique<ControlJob>(std::vector{std::move(session)}, false,
                                               std::move(action), std::move(finish)));
}

void LoadedEngine::CloseSession(std::shared_ptr<Session> session, StatusDone done) {
  session->MarkClosed();
  auto action = [session]() -> Status {
    session->Free();
    return Status::Ok();
  };
  scheduler_->Add(std::make_unique<ControlJob>(std::vector{std::move(session)}, false,
                                               std::move(action), std::move(done)));
}

void LoadedEngine::SetPlan(Plan plan, StatusDone done) {
  auto action = [this, plan = std::move(plan)] { return ApplyPlan(plan); };
  scheduler_->Add(std::make_unique<ControlJob>(std::vector<std::shared_ptr<Session>>{}, true,
                                               std::move(action), std::move(done)));
}

// Layers are placed anew one after another; each is whole at any moment, so a failure between
// two leaves an engine that computes the same.
Status LoadedEngine::ApplyPlan(const Plan& plan) {
  std::vector<std::vector<FfnBlockSource>> blocks;
  for (const LayerWeights& layer : weights_->layers) blocks.push_back(layer.ffn_blocks);
  RETURN_IF_ERROR(ffn_->Validate(blocks, plan));
  for (size_t layer = 0; layer < blocks.size(); ++layer) {
    RETURN_IF_ERROR(ffn_->Place(static_cast<int64_t>(layer), blocks[layer],
                                plan.layers.empty() ? LayerPlan{} : plan.layers[layer]));
  }
  return Status::Ok();
}

Status LoadedEngine::Compute(std::span<const Slice> slices, Mode mode, Observer* observer,
                             const std::function<bool()>& stop,
                             std::vector<SliceOutcome>* outcomes) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<ForwardItem> items;
  int64_t n_tokens = 0;
  for (const Slice& slice : slices) {
    items.push_back({&slice.session->cache(), slice.session->cached(), slice.tokens,
                     slice.logits, static_cast<int64_t>(slice.item)});
    n_tokens += static_cast<int64_t>(slice.tokens.size());
  }
  ForwardOutcome outcome;
  RETURN_IF_ERROR(CatchOutOfMemory(
      [&] { return transformer_->Forward(items, mode, observer, stop, &outcome); }));
  const double time_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();

  outcomes->resize(slices.size());
  for (size_t i = 0; i < slices.size(); ++i) {
    slices[i].session->Commit(slices[i].session->cached(), slices[i].tokens);
    SliceOutcome& result = (*outcomes)[i];
    result.logits = std::move(outcome.logits[i]);
    // What a batch reads is read for all of it: each slice is charged by its tokens.
    const auto tokens = static_cast<int64_t>(slices[i].tokens.size());
    const auto share = [&](uint64_t bytes) {
      return bytes * static_cast<uint64_t>(tokens) / static_cast<uint64_t>(n_tokens);
    };
    result.stats.tokens = tokens;
    result.stats.time_ms = time_ms;
    for (size_t t = 0; t < kTiers; ++t) {
      result.stats.bytes_read[t] = share(outcome.bytes_read[t]);
      result.stats.ffn_bytes_read[t] = share(outcome.ffn_bytes_read[t]);
    }
    result.stats.fired = std::move(outcome.fired[i]);
    for (int64_t layer = 0; layer < info_.model.layers; ++layer) {
      result.stats.neurons.push_back(static_cast<uint64_t>(ffn_->n_neurons(layer) * tokens));
    }
  }
  return Status::Ok();
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
  transformer_.reset();
  ffn_.reset();
  weights_.reset();
  cpu_tier_.reset();
  pool_.reset();
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

// An engine is loaded weights plus placement; sessions are timelines on it. Work is
// handed in from any thread and carried out on the engine's own thread, several
// sessions per pass over the weights; callbacks come from that thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/observer.h"
#include "engine/sampler.h"
#include "engine/session.h"
#include "engine/step.h"
#include "io/artifact_reader.h"
#include "io/model_file.h"
#include "model/down_norms.h"
#include "model/first_matrix.h"
#include "model/mode.h"
#include "model/placement.h"
#include "tiers/accountant.h"
#include "tiers/load_list.h"
#include "tokenizer/tokenizer.h"
#include "util/status.h"

namespace thermocline {

struct EngineOptions {
  int threads = 0;             // 0: the processor's cores
  int64_t context = 0;         // 0: what the model file says
  DType kv_type = DType::kF16;
  std::string kernels = "auto";
  uint64_t ram_budget = 0;     // bytes; 0: none set
  Plan plan;                   // where the neurons live; no layers: in the file's order
  std::string plan_fingerprint;  // of the model the plan is for
  std::shared_ptr<const PredictorSet> predictors;  // may be null; not kept once it is loaded
  std::function<void(const LoadProgress&)> progress;  // from the loading thread
  const std::atomic<bool>* cancel = nullptr;
};

struct EngineInfo {
  std::string path;
  std::string container;  // "gguf" or "huggingface"
  std::string name;
  Hyperparameters model;
  bool gated = false;
  bool tied = false;
  // Weight type per role: "embedding", "attention", "ffn", "output", in this order; "ffn_gate" and
  // "ffn_down" where they differ from "ffn".
  std::vector<std::pair<std::string, std::string>> weight_types;
  std::string fingerprint;
  Mode default_mode = Mode::kDense;
  std::vector<Mode> modes;
  int threads = 1;
  std::string kernels;
  int64_t context = 0;
  std::string context_source;
  DType kv_type = DType::kF16;
  bool adds_bos = false;
  std::vector<std::string> notices;
  LoadReport load;
  uint64_t weight_bytes = 0;  // of memory, once loaded
  std::optional<uint64_t> huge_page_bytes;  // of them in huge pages; none: the system does not tell
};

struct GenerateOptions {
  SamplingOptions sampling;
  int64_t max_tokens = -1;  // -1: until the end of text or of the context
  Mode mode = Mode::kDense;
  std::vector<std::string> stop;
  bool ignore_eos = false;
  CancelFlag cancel;  // may be null
};

enum class FinishReason { kEos, kStop, kLength, kContext, kAborted };
const char* FinishReasonName(FinishReason reason);  // "eos", "stop", ...

struct GenerateResult {
  FinishReason reason = FinishReason::kLength;
  std::vector<TokenId> tokens;  // generated, end of text left out
  std::string text;
  StepStats prefill;
  StepStats decode;
  std::vector<double> token_times_ms;  // since the call
};

class Engine {
 public:
  // Reads the model and places every weight. Takes as long as reading the file.
  // Errors: those of OpenModelFile, Tokenizer::Create; kOutOfMemory (with the numbers) when the
  // budget or the system has no room, before anything is allocated; kArtifactModelMismatch for
  // another model's plan or predictors; kAborted.
  static Result<std::shared_ptr<Engine>> Open(const std::string& path,
                                              const EngineOptions& options);
  virtual ~Engine() = default;

  // From any thread; `modes` follow what predictors there are.
  virtual EngineInfo info() const = 0;
  virtual const Tokenizer& tokenizer() const = 0;
  virtual std::vector<TierMemory> memory() const = 0;

  // ‖down column‖ of every neuron, by id. Read from the model file at the first call, which takes
  // as long as reading a third of it; from any thread. `cancel` may be null. kClosed, kAborted.
  virtual Result<std::shared_ptr<const DownNorms>> ReadDownNorms(const CancelFlag& cancel) = 0;
  // The first FFN matrix of a layer as F32, read from the model file; from any thread. `cancel` may
  // be null. kInvalidArgument for a layer that is not there, kClosed, kAborted, kOutOfMemory.
  virtual Result<FirstMatrix> ReadFirstMatrix(int64_t layer, const CancelFlag& cancel) = 0;

  // kOutOfMemory when the KV cache does not fit the budget or the system. context 0: the engine's.
  virtual Result<std::shared_ptr<Session>> CreateSession(const SessionOptions& options) = 0;

  using StepDone = std::function<void(Result<std::vector<Evaluation>>)>;
  using ChunkFn = std::function<void(std::vector<TokenId> tokens, std::string text)>;
  using GenerateDone = std::function<void(Result<GenerateResult>)>;
  using StatusDone = std::function<void(Status)>;
  using SessionDone = std::function<void(Result<std::shared_ptr<Session>>)>;

  // Each call returns at once and calls `done` exactly once, also after Close (kClosed).
  // Work on one session is carried out in the order it was handed in.
  virtual void Step(std::vector<StepItem> items, StepOptions options, StepDone done) = 0;
  // `chunk` gets each token's id with the whole characters it completed (text may be empty).
  // max_tokens 0 reads the prompt and writes nothing. kModelCorrupt when logits are not finite.
  virtual void Generate(std::shared_ptr<Session> session, std::vector<TokenId> prompt,
                        GenerateOptions options, ChunkFn chunk, GenerateDone done) = 0;
  virtual void Truncate(std::shared_ptr<Session> session, int64_t length, StatusDone done) = 0;
  virtual void Fork(std::shared_ptr<Session> session, SessionDone done) = 0;
  virtual void CloseSession(std::shared_ptr<Session> session, StatusDone done) = 0;
  // An empty plan restores the file's order.
  virtual void SetPlan(Plan plan, StatusDone done) = 0;

  // Takes other predictors, and with them the modes that need them; null: none. What was there stays
  // on failure: kArtifactModelMismatch, kInvalidArgument, kOutOfMemory when both do not fit at once.
  virtual void SetPredictors(std::shared_ptr<const PredictorSet> set, StatusDone done) = 0;

  // Ends running work (kClosed), then frees weights and caches. Blocks until the engine's thread
  // has stopped; safe twice and from any thread but the engine's own. (To let go of the last
  // pointer is safe from any thread.)
  virtual void Close() = 0;
};

}  // namespace thermocline

// Work handed to an engine, as the scheduler sees it: something that wants tokens
// computed for its sessions, bit by bit, until it is done.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "engine/engine.h"
#include "engine/step.h"
#include "engine/text_stream.h"

namespace thermocline {

// Tokens that a job wants computed next, all of one session, and what came of it.
struct Slice {
  Session* session = nullptr;
  std::vector<TokenId> tokens;
  std::vector<int64_t> logits;  // indices into tokens
  size_t item = 0;              // the job's own label
};
struct SliceOutcome {
  std::vector<std::vector<float>> logits;
  StepStats stats;
  PredictionAudit audit;  // when asked for
};

// What the jobs of a batch have in common.
struct BatchOptions {
  Mode mode = Mode::kDense;
  bool audit = false;
  Observer* observer = nullptr;  // may be null
};

// Asked when a job's turn comes: predictors may have gone since it was handed in.
using CheckModeFn = std::function<Status(Mode)>;

// All calls come from the engine's thread. Exactly one of Finish and Fail ends a job.
class Job {
 public:
  explicit Job(std::vector<std::shared_ptr<Session>> sessions) : sessions_(std::move(sessions)) {}
  virtual ~Job() = default;

  const std::vector<std::shared_ptr<Session>>& sessions() const { return sessions_; }
  virtual bool exclusive() const { return false; }  // waits for all before it, holds all after
  virtual bool cancelled() const { return false; }
  virtual Mode mode() const { return Mode::kDense; }
  virtual bool audit() const { return false; }
  virtual std::shared_ptr<Observer> observer() const { return nullptr; }

  // Called once before anything else, when no earlier job uses the same sessions.
  virtual Status Begin() = 0;
  virtual bool done() const = 0;
  // The next tokens, at most `room` of them. REQUIRES: !done().
  virtual std::vector<Slice> Next(int64_t room) = 0;
  // An error ends the job.
  virtual Status Take(const Slice& slice, SliceOutcome outcome) = 0;

  virtual void Finish() = 0;
  virtual void Fail(Status status) = 0;

  // The scheduler's notes.
  uint64_t last_turn = 0;  // when it came or was last computed
  Status failure;          // what ends it at the next sweep

 protected:
  // The caller's flag is set, or one of the sessions was closed.
  bool IsCancelled(const CancelFlag& flag) const;

 private:
  const std::vector<std::shared_ptr<Session>> sessions_;
};

// kClosed when the session is.
Status CheckOpen(const Session& session);

// Appends tokens to one or more sessions and hands logits back.
class StepJob : public Job {
 public:
  StepJob(std::vector<StepItem> items, StepOptions options, CheckModeFn check_mode,
          Engine::StepDone done);

  bool cancelled() const override { return IsCancelled(options_.cancel); }
  Mode mode() const override { return options_.mode; }
  bool audit() const override { return options_.audit; }
  std::shared_ptr<Observer> observer() const override { return options_.observer; }
  Status Begin() override;
  bool done() const override;
  std::vector<Slice> Next(int64_t room) override;
  Status Take(const Slice& slice, SliceOutcome outcome) override;
  void Finish() override { done_(std::move(evaluations_)); }
  void Fail(Status status) override;

 private:
  struct Progress {
    std::vector<TokenId> tokens;   // pending ones of the session first
    std::vector<int64_t> logits;   // indices into tokens
    size_t next_token = 0;
    size_t next_logits = 0;
  };
  const std::vector<StepItem> items_;
  const StepOptions options_;
  const CheckModeFn check_mode_;
  const Engine::StepDone done_;
  std::vector<Progress> progress_;
  std::vector<Evaluation> evaluations_;
};

// Reads a prompt, then samples token after token.
class GenerateJob : public Job {
 public:
  GenerateJob(const Tokenizer& tokenizer, std::shared_ptr<Session> session,
              std::vector<TokenId> prompt, GenerateOptions options, CheckModeFn check_mode,
              Engine::ChunkFn chunk, Engine::GenerateDone done);

  bool cancelled() const override { return IsCancelled(options_.cancel); }
  Mode mode() const override { return options_.mode; }
  Status Begin() override;
  bool done() const override { return ended_; }
  std::vector<Slice> Next(int64_t room) override;
  Status Take(const Slice& slice, SliceOutcome outcome) override;
  void Finish() override;
  // An abort is not a failure: what there is is handed back.
  void Fail(Status status) override;

 private:
  Session& session() const { return *sessions().front(); }
  void Accept(TokenId token);
  void End(FinishReason reason);

  const Tokenizer& tokenizer_;
  const GenerateOptions options_;
  const CheckModeFn check_mode_;
  const Engine::ChunkFn chunk_;
  const Engine::GenerateDone done_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  Sampler sampler_;
  TextStream text_;
  std::vector<TokenId> input_;  // still to be computed
  size_t next_input_ = 0;
  bool prefilled_ = false;
  bool ended_ = false;
  GenerateResult result_;
};

// Something done between two steps: truncate, fork, close a session, change plan or predictors.
class ControlJob : public Job {
 public:
  ControlJob(std::vector<std::shared_ptr<Session>> sessions, bool exclusive,
             std::function<Status()> action, Engine::StatusDone done)
      : Job(std::move(sessions)),
        exclusive_(exclusive),
        action_(std::move(action)),
        done_(std::move(done)) {}

  bool exclusive() const override { return exclusive_; }
  Status Begin() override { return action_(); }
  bool done() const override { return true; }
  std::vector<Slice> Next(int64_t) override { return {}; }
  Status Take(const Slice&, SliceOutcome) override { return Status::Ok(); }
  void Finish() override { done_(Status::Ok()); }
  void Fail(Status status) override { done_(std::move(status)); }

 private:
  const bool exclusive_;
  const std::function<Status()> action_;
  const Engine::StatusDone done_;
};

}  // namespace thermocline

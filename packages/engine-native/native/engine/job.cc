#include "engine/job.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace thermocline {
namespace {

std::vector<std::shared_ptr<Session>> SessionsOf(const std::vector<StepItem>& items) {
  std::vector<std::shared_ptr<Session>> sessions;
  for (const StepItem& item : items) sessions.push_back(item.session);
  return sessions;
}

Status CheckRoom(const Session& session, size_t n_tokens) {
  const int64_t needed = session.cached() + static_cast<int64_t>(n_tokens);
  if (needed <= session.context()) return Status::Ok();
  return Status(StatusCode::kContextOverflow,
                "the timeline would have " + std::to_string(needed) +
                    " tokens, the session's context holds " + std::to_string(session.context()) +
                    "; shorten the input, truncate the session or open it with a larger context");
}

// Nothing can be drawn from values that are not numbers; going on would only look like an answer.
Status CheckFinite(const std::vector<float>& logits) {
  bool finite = true;
  for (const float logit : logits) finite &= std::fabs(logit) <= std::numeric_limits<float>::max();
  if (finite) return Status::Ok();
  return Status(StatusCode::kModelCorrupt,
                "the model gives logits that are not finite numbers: its weights are damaged, or "
                "its keys and values are too large for F16; try the F32 cache");
}

}  // namespace

Status CheckOpen(const Session& session) {
  if (!session.closed()) return Status::Ok();
  return Status(StatusCode::kClosed, "the session is closed");
}

bool Job::IsCancelled(const CancelFlag& flag) const {
  return (flag != nullptr && *flag) ||
         std::any_of(sessions_.begin(), sessions_.end(), [](const auto& s) { return s->closed(); });
}

StepJob::StepJob(std::vector<StepItem> items, StepOptions options, CheckModeFn check_mode,
                 Engine::StepDone done)
    : Job(SessionsOf(items)),
      items_(std::move(items)),
      options_(std::move(options)),
      check_mode_(std::move(check_mode)),
      done_(std::move(done)) {}

Status StepJob::Begin() {
  RETURN_IF_ERROR(check_mode_(options_.mode));
  for (const StepItem& item : items_) {
    Progress progress;
    progress.tokens = item.session->Pending();
    const auto n_pending = static_cast<int64_t>(progress.tokens.size());
    progress.tokens.insert(progress.tokens.end(), item.tokens.begin(), item.tokens.end());
    for (const int64_t index : item.logits) progress.logits.push_back(index + n_pending);
    RETURN_IF_ERROR(CheckRoom(*item.session, progress.tokens.size()));
    progress_.push_back(std::move(progress));
  }
  evaluations_.resize(items_.size());
  return Status::Ok();
}

bool StepJob::done() const {
  return std::all_of(progress_.begin(), progress_.end(),
                     [](const Progress& p) { return p.next_token == p.tokens.size(); });
}

std::vector<Slice> StepJob::Next(int64_t room) {
  std::vector<Slice> slices;
  for (size_t i = 0; i < progress_.size() && room > 0; ++i) {
    const Progress& p = progress_[i];
    const size_t n = std::min(p.tokens.size() - p.next_token, static_cast<size_t>(room));
    if (n == 0) continue;
    Slice slice;
    slice.session = items_[i].session.get();
    slice.item = i;
    const auto first = p.tokens.begin() + static_cast<int64_t>(p.next_token);
    slice.tokens.assign(first, first + static_cast<int64_t>(n));
    for (size_t j = p.next_logits; j < p.logits.size(); ++j) {
      const int64_t index = p.logits[j] - static_cast<int64_t>(p.next_token);
      if (index >= static_cast<int64_t>(n)) break;
      slice.logits.push_back(index);
    }
    room -= static_cast<int64_t>(n);
    slices.push_back(std::move(slice));
  }
  return slices;
}

Status StepJob::Take(const Slice& slice, SliceOutcome outcome) {
  Progress& progress = progress_[slice.item];
  Evaluation& evaluation = evaluations_[slice.item];
  progress.next_token += slice.tokens.size();
  progress.next_logits += slice.logits.size();
  for (auto& logits : outcome.logits) evaluation.logits.push_back(std::move(logits));
  evaluation.stats.Add(outcome.stats);
  evaluation.audit.Add(outcome.audit);
  return Status::Ok();
}

void StepJob::Fail(Status status) {
  if (status.code() == StatusCode::kAborted) {
    for (const StepItem& item : items_) {
      if (item.session->closed()) status = CheckOpen(*item.session);
    }
  }
  done_(std::move(status));
}

GenerateJob::GenerateJob(const Tokenizer& tokenizer, std::shared_ptr<Session> session,
                         std::vector<TokenId> prompt, GenerateOptions options,
                         CheckModeFn check_mode, Engine::ChunkFn chunk,
                         Engine::GenerateDone done)
    : Job({std::move(session)}),
      tokenizer_(tokenizer),
      options_(std::move(options)),
      check_mode_(std::move(check_mode)),
      chunk_(std::move(chunk)),
      done_(std::move(done)),
      sampler_(options_.sampling),
      text_(options_.stop),
      input_(std::move(prompt)) {}

Status GenerateJob::Begin() {
  RETURN_IF_ERROR(check_mode_(options_.mode));
  std::vector<TokenId> pending = session().Pending();
  if (pending.empty() && input_.empty()) {
    if (session().cached() == 0) {
      return Status(StatusCode::kInvalidArgument,
                    "there is nothing to go on from: the prompt and the session are empty");
    }
    session().Uncache();
    pending = session().Pending();
  }
  input_.insert(input_.begin(), pending.begin(), pending.end());
  return CheckRoom(session(), input_.size());
}

std::vector<Slice> GenerateJob::Next(int64_t room) {
  Slice slice;
  slice.session = &session();
  const size_t n = std::min(input_.size() - next_input_, static_cast<size_t>(room));
  const auto first = input_.begin() + static_cast<int64_t>(next_input_);
  slice.tokens.assign(first, first + static_cast<int64_t>(n));
  if (next_input_ + n == input_.size()) slice.logits.push_back(static_cast<int64_t>(n) - 1);
  return {std::move(slice)};
}

Status GenerateJob::Take(const Slice& slice, SliceOutcome outcome) {
  (prefilled_ ? result_.decode : result_.prefill).Add(outcome.stats);
  next_input_ += slice.tokens.size();
  if (outcome.logits.empty()) return Status::Ok();
  prefilled_ = true;
  const std::vector<float>& logits = outcome.logits.front();
  if (options_.max_tokens == 0) {
    End(FinishReason::kLength);
  } else if (session().length() >= session().context()) {
    End(FinishReason::kContext);
  } else {
    RETURN_IF_ERROR(CheckFinite(logits));
    Accept(sampler_.Sample(logits, session().LastTokens(sampler_.window())));
  }
  return Status::Ok();
}

void GenerateJob::Accept(TokenId token) {
  if (!options_.ignore_eos && tokenizer_.IsEndOfGeneration(token)) {
    End(FinishReason::kEos);
    return;
  }
  session().AppendPending(token);
  input_ = {token};
  next_input_ = 0;
  result_.tokens.push_back(token);
  result_.token_times_ms.push_back(
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start_)
          .count());
  std::string text = text_.Push(tokenizer_.TokenBytes(token, false));
  result_.text += text;
  chunk_({token}, std::move(text));
  if (text_.stopped()) {
    End(FinishReason::kStop);
  } else if (static_cast<int64_t>(result_.tokens.size()) == options_.max_tokens) {
    End(FinishReason::kLength);
  }
}

void GenerateJob::End(FinishReason reason) {
  ended_ = true;
  result_.reason = reason;
}

void GenerateJob::Finish() {
  std::string rest = text_.Flush();
  if (!rest.empty()) {
    result_.text += rest;
    chunk_({}, std::move(rest));
  }
  done_(std::move(result_));
}

void GenerateJob::Fail(Status status) {
  if (status.code() != StatusCode::kAborted) {
    done_(std::move(status));
    return;
  }
  End(FinishReason::kAborted);
  Finish();
}

}  // namespace thermocline

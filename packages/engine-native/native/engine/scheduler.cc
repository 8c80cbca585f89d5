#include "engine/scheduler.h"

#include <algorithm>
#include <set>

namespace thermocline {
namespace {

Status ClosedStatus() { return Status(StatusCode::kClosed, "the engine was closed"); }

}  // namespace

Scheduler::Scheduler(ComputeFn compute, int64_t max_batch_tokens)
    : compute_(std::move(compute)),
      max_batch_tokens_(max_batch_tokens),
      thread_([this] { Loop(); }) {}

void Scheduler::Add(std::unique_ptr<Job> job) {
  {
    const std::lock_guard lock(mutex_);
    if (!closing_) {
      incoming_.push_back(std::move(job));
      wake_.notify_one();
      return;
    }
  }
  job->Fail(ClosedStatus());
}

void Scheduler::Close() {
  const std::lock_guard once(close_mutex_);
  if (closed_) return;
  {
    const std::lock_guard lock(mutex_);
    closing_ = true;
    if (watching_ != nullptr) watching_->Cancel();
    wake_.notify_one();
  }
  thread_.join();
  closed_ = true;
}

void Scheduler::Loop() {
  while (true) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return closing_ || !incoming_.empty() || !jobs_.empty(); });
      for (auto& job : incoming_) jobs_.push_back({std::move(job), false});
      incoming_.clear();
    }
    if (closing_) break;
    const std::vector<Job*> runnable = Sweep();
    if (!runnable.empty()) RunBatch(runnable);
  }
  for (Entry& entry : jobs_) entry.job->Fail(ClosedStatus());
  jobs_.clear();
}

std::vector<Job*> Scheduler::Sweep() {
  std::vector<Job*> runnable;
  std::set<const Session*> busy;
  for (size_t i = 0; i < jobs_.size();) {
    Entry& entry = jobs_[i];
    Job& job = *entry.job;
    const bool free = std::none_of(job.sessions().begin(), job.sessions().end(),
                                   [&](const auto& s) { return busy.contains(s.get()); });
    const bool may_run = free && (!job.exclusive() || i == 0);
    Status status;
    if (job.cancelled()) {
      status = Status(StatusCode::kAborted, "the call was aborted");
    } else if (may_run && !entry.begun) {
      entry.begun = true;
      status = job.Begin();
    }
    if (!status.ok() || (entry.begun && job.done())) {
      // Taken out first: what the job calls back may add jobs or ask about sessions.
      const std::unique_ptr<Job> ended = std::move(entry.job);
      jobs_.erase(jobs_.begin() + static_cast<int64_t>(i));
      if (status.ok()) {
        ended->Finish();
      } else {
        ended->Fail(std::move(status));
      }
      continue;
    }
    if (may_run) runnable.push_back(&job);
    for (const auto& session : job.sessions()) busy.insert(session.get());
    if (job.exclusive()) break;
    ++i;
  }
  return runnable;
}

void Scheduler::RunBatch(const std::vector<Job*>& runnable) {
  // One mode per batch; the modes take turns. A watched job runs alone.
  const auto other = std::find_if(runnable.begin(), runnable.end(),
                                  [this](const Job* job) { return job->mode() != last_mode_; });
  Job* const lead = other != runnable.end() ? *other : runnable.front();
  last_mode_ = lead->mode();
  const std::shared_ptr<Observer> observer = lead->observer();

  std::vector<Job*> batch{lead};
  std::vector<Slice> slices;
  std::vector<Job*> owners;
  if (observer == nullptr) {
    for (Job* job : runnable) {
      if (job != lead && job->mode() == last_mode_ && job->observer() == nullptr) {
        batch.push_back(job);
      }
    }
  }
  int64_t room = max_batch_tokens_;
  for (size_t i = 0; i < batch.size() && room > 0; ++i) {
    // One token is kept for every job still to come, so that a long prompt does not starve them.
    const auto later = static_cast<int64_t>(batch.size() - 1 - i);
    for (Slice& slice : batch[i]->Next(std::max<int64_t>(1, room - later))) {
      room -= static_cast<int64_t>(slice.tokens.size());
      slices.push_back(std::move(slice));
      owners.push_back(batch[i]);
    }
  }

  {
    const std::lock_guard lock(mutex_);
    watching_ = observer;
  }
  const auto stop = [&] {
    return closing_ || std::all_of(batch.begin(), batch.end(),
                                   [](const Job* job) { return job->cancelled(); });
  };
  std::vector<SliceOutcome> outcomes;
  const Status status = compute_(slices, last_mode_, observer.get(), stop, &outcomes);
  {
    const std::lock_guard lock(mutex_);
    watching_ = nullptr;
  }
  if (status.ok()) {
    for (size_t i = 0; i < slices.size(); ++i) owners[i]->Take(slices[i], std::move(outcomes[i]));
    return;
  }
  // Cancelled jobs are ended by the next sweep; any other error ends the jobs of the batch.
  for (auto it = jobs_.begin(); it != jobs_.end();) {
    const bool concerned =
        std::find(batch.begin(), batch.end(), it->job.get()) != batch.end() &&
        !it->job->cancelled();
    if (!concerned || closing_) {
      ++it;
      continue;
    }
    const std::unique_ptr<Job> failed = std::move(it->job);
    it = jobs_.erase(it);
    failed->Fail(status);
  }
}

}  // namespace thermocline

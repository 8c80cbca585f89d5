#include "engine/scheduler.h"

#include <algorithm>
#include <set>

#include "engine/out_of_memory.h"

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
      for (auto& job : incoming_) {
        job->last_turn = turn_;
        jobs_.push_back({std::move(job), false});
      }
      incoming_.clear();
      // Asked under the lock, so that what is added is either moved above or refused by Add.
      if (closing_) break;
    }
    std::vector<Job*> runnable = Sweep();
    if (!runnable.empty()) RunBatch(PickBatch(std::move(runnable)));
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
    Status status = job.failure;
    if (!status.ok()) {
      // Ended below.
    } else if (job.cancelled()) {
      status = Status(StatusCode::kAborted, "the call was aborted");
    } else if (may_run && !entry.begun) {
      entry.begun = true;
      status = CatchOutOfMemory([&job] { return job.Begin(); });
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

std::vector<Job*> Scheduler::PickBatch(std::vector<Job*> runnable) {
  std::stable_sort(runnable.begin(), runnable.end(),
                   [](const Job* a, const Job* b) { return a->last_turn < b->last_turn; });
  const Job& lead = *runnable.front();
  // One mode per batch, audited or not. A watched job runs alone.
  std::erase_if(runnable, [&lead](const Job* job) {
    return job != &lead && (lead.observer() != nullptr || job->observer() != nullptr ||
                            job->mode() != lead.mode() || job->audit() != lead.audit());
  });
  return runnable;
}

void Scheduler::RunBatch(const std::vector<Job*>& batch) {
  ++turn_;
  const Status status = CatchOutOfMemory([&] { return ComputeBatch(batch); });
  {
    const std::lock_guard lock(mutex_);
    watching_ = nullptr;
  }
  if (status.ok() || closing_) return;
  // Cancelled jobs are ended by the next sweep; any other error ends the jobs of the batch.
  for (Job* job : batch) {
    if (!job->cancelled()) job->failure = status;
  }
}

Status Scheduler::ComputeBatch(const std::vector<Job*>& batch) {
  std::vector<Slice> slices;
  std::vector<Job*> owners;
  int64_t room = max_batch_tokens_;
  for (size_t i = 0; i < batch.size() && room > 0; ++i) {
    // One token is kept for every job still to come, so that a long prompt does not starve them.
    const auto later = static_cast<int64_t>(batch.size() - 1 - i);
    for (Slice& slice : batch[i]->Next(std::max<int64_t>(1, room - later))) {
      room -= static_cast<int64_t>(slice.tokens.size());
      slices.push_back(std::move(slice));
      owners.push_back(batch[i]);
    }
    batch[i]->last_turn = turn_;
  }

  const std::shared_ptr<Observer> observer = batch.front()->observer();
  {
    const std::lock_guard lock(mutex_);
    watching_ = observer;
  }
  const auto stop = [&] {
    return closing_ || std::all_of(batch.begin(), batch.end(),
                                   [](const Job* job) { return job->cancelled(); });
  };
  std::vector<SliceOutcome> outcomes;
  const BatchOptions options{batch.front()->mode(), batch.front()->audit(), observer.get()};
  RETURN_IF_ERROR(compute_(slices, options, stop, &outcomes));
  for (size_t i = 0; i < slices.size(); ++i) {
    Status taken = owners[i]->Take(slices[i], std::move(outcomes[i]));
    if (!taken.ok()) owners[i]->failure = std::move(taken);
  }
  return Status::Ok();
}

}  // namespace thermocline

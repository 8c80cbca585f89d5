// The engine's own thread: takes jobs in the order they came, lets those whose
// sessions are free run side by side, and computes one batch after another.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <thread>
#include <vector>

#include "engine/job.h"

namespace thermocline {

class Scheduler {
 public:
  // Computes slices of different sessions in one pass. Outcomes match the slices.
  using ComputeFn = std::function<Status(std::span<const Slice> slices,
                                         const BatchOptions& options,
                                         const std::function<bool()>& stop,
                                         std::vector<SliceOutcome>* outcomes)>;

  Scheduler(ComputeFn compute, int64_t max_batch_tokens);
  ~Scheduler() { Close(); }

  // Takes the job over; after Close it fails at once, on the caller's thread, with kClosed.
  void Add(std::unique_ptr<Job> job);

  // Fails what is left with kClosed and joins the thread. Safe twice, but not on that thread.
  void Close();
  bool OnOwnThread() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  void Loop();
  // Begins what can begin, ends what is done or cancelled, and lists the jobs that may run now.
  std::vector<Job*> Sweep();
  // The job that waited longest, and those that can share its pass over the weights.
  std::vector<Job*> PickBatch(std::vector<Job*> runnable);
  void RunBatch(const std::vector<Job*>& batch);
  Status ComputeBatch(const std::vector<Job*>& batch);

  const ComputeFn compute_;
  const int64_t max_batch_tokens_;

  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<std::unique_ptr<Job>> incoming_;
  std::shared_ptr<Observer> watching_;  // of the batch that runs
  std::atomic<bool> closing_{false};
  bool closed_ = false;
  std::mutex close_mutex_;

  struct Entry {
    std::unique_ptr<Job> job;
    bool begun = false;
  };
  std::deque<Entry> jobs_;  // the engine's thread only
  uint64_t turn_ = 0;  // batches so far
  std::thread thread_;
};

}  // namespace thermocline

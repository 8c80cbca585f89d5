// Threads for what would block JavaScript: opening, tokenizing, closing. One set per
// isolate, so that an isolate that ends can wait for its own; a thread is started when
// work waits and none is idle.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace thermocline::addon {

class Workers {
 public:
  explicit Workers(size_t max_threads) : max_threads_(max_threads) {}
  ~Workers() { Finish(); }

  // From any thread. Tasks must not throw. Returns false after Finish, the task dropped.
  bool Run(std::function<void()> task);

  // Carries out what is queued, then ends the threads. Safe twice.
  void Finish();

 private:
  void Loop();

  const size_t max_threads_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;
  std::vector<std::thread> threads_;
  size_t idle_ = 0;
  bool finished_ = false;
};

}  // namespace thermocline::addon

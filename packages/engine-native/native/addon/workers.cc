#include "addon/workers.h"

#include <system_error>

namespace thermocline::addon {

bool Workers::Run(std::function<void()> task) {
  const std::lock_guard lock(mutex_);
  if (finished_) return false;
  tasks_.push_back(std::move(task));
  if (tasks_.size() > idle_ && threads_.size() < max_threads_) {
    try {
      threads_.emplace_back([this] { Loop(); });
    } catch (const std::system_error&) {
      // The system has no thread left: the task waits for those there are.
      if (threads_.empty()) {
        tasks_.pop_back();
        return false;
      }
    }
  }
  wake_.notify_one();
  return true;
}

void Workers::Finish() {
  std::vector<std::thread> threads;
  {
    const std::lock_guard lock(mutex_);
    finished_ = true;
    threads.swap(threads_);
    wake_.notify_all();
  }
  for (std::thread& thread : threads) thread.join();
}

void Workers::Loop() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    wake_.wait(lock, [this] { return finished_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    {
      const std::function<void()> task = std::move(tasks_.front());
      tasks_.pop_front();
      lock.unlock();
      task();
    }
    lock.lock();
  }
}

}  // namespace thermocline::addon

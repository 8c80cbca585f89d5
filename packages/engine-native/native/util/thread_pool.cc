#include "util/thread_pool.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#if defined(__x86_64__) || defined(__i386__)
#include <immintrin.h>
#endif

namespace thermocline {
namespace {

// Long enough to bridge the serial code between two products of a decode step, short
// enough that a worker gives its core away when there is nothing to do.
constexpr std::chrono::microseconds kWorkerSpin{40};
// A chunk in flight lasts a few tens of µs; when it takes longer, its thread has lost its
// core, and only going to sleep frees this one for it.
constexpr std::chrono::microseconds kCallerSpin{60};
constexpr int kPausesPerClockRead = 16;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  _mm_pause();
#elif defined(__aarch64__)
  asm volatile("isb" ::: "memory");
#endif
}

// Waits for `ready()` for at most `limit`; whether it came true.
template <typename Ready>
bool SpinUntil(std::chrono::microseconds limit, Ready ready) {
  for (int i = 0; i < kPausesPerClockRead; ++i) {
    if (ready()) return true;
    Pause();
  }
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    for (int i = 0; i < kPausesPerClockRead; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

// Publishing a job stores its body and then `untaken`; a thread owns a chunk when its
// decrement finds a positive count. A worker that comes late decrements either the old
// counter, at or below zero, and gets nothing, or the new one, and takes part: there is no
// generation to compare. `body` and `n_chunks` stand still as long as a chunk is owned.
struct ThreadPool::State {
  explicit State(int n) : n_threads(n) {}

  const int n_threads;
  const ChunkBody* body = nullptr;
  int64_t n_chunks = 0;

  alignas(64) std::atomic<int64_t> untaken{0};
  alignas(64) std::atomic<int64_t> unfinished{0};

  // Sleeping is announced before the last look at the counters, and the counters are written
  // before the announcements are read, both sequentially consistent: one side sees the other.
  alignas(64) std::atomic<int32_t> wake_workers{0};
  std::atomic<int32_t> sleeping_workers{0};
  std::atomic<int32_t> wake_caller{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> stop{false};

  std::vector<std::thread> threads;

  // Takes chunks until none is left, and reports them finished together.
  void RunChunks(int thread) {
    int64_t n = 0;
    while (untaken.load(std::memory_order_relaxed) > 0) {
      const int64_t left = untaken.fetch_sub(1, std::memory_order_acq_rel);
      if (left <= 0) break;
      (*body)(n_chunks - left, thread);
      ++n;
    }
    if (n == 0) return;
    if (unfinished.fetch_sub(n) == n && thread != 0 && caller_sleeps.load()) {
      wake_caller.fetch_add(1);
      wake_caller.notify_one();
    }
  }

  void Work(int thread) {
    const auto called = [this] { return untaken.load() > 0 || stop.load(); };
    while (!stop.load()) {
      if (!SpinUntil(kWorkerSpin, called)) {
        const int32_t seen = wake_workers.load();
        sleeping_workers.fetch_add(1);
        if (!called()) wake_workers.wait(seen);
        sleeping_workers.fetch_sub(1);
      }
      RunChunks(thread);
    }
  }

  void Stop() {
    stop.store(true);
    WakeWorkers();
    for (std::thread& thread : threads) thread.join();
  }

  void WakeWorkers() {
    if (sleeping_workers.load() == 0) return;
    wake_workers.fetch_add(1);
    wake_workers.notify_all();
  }
};

ThreadPool::ThreadPool(int n_threads) : state_(std::make_unique<State>(n_threads)) {
  State* const state = state_.get();
  try {
    for (int i = 1; i < n_threads; ++i) {
      state->threads.emplace_back([state, i] { state->Work(i); });
    }
  } catch (...) {
    state->Stop();  // a thread must not be destroyed while it runs
    throw;
  }
}

ThreadPool::~ThreadPool() { state_->Stop(); }

int ThreadPool::n_threads() const { return state_->n_threads; }

void ThreadPool::ParallelFor(int64_t n_chunks, ChunkBody body) {
  State& s = *state_;
  if (n_chunks <= 1 || s.n_threads == 1) {
    for (int64_t chunk = 0; chunk < n_chunks; ++chunk) body(chunk, 0);
    return;
  }
  s.body = &body;
  s.n_chunks = n_chunks;
  s.unfinished.store(n_chunks);
  s.untaken.store(n_chunks);
  s.WakeWorkers();
  s.RunChunks(0);

  const auto finished = [&s] { return s.unfinished.load() == 0; };
  if (SpinUntil(kCallerSpin, finished)) return;
  s.caller_sleeps.store(true);
  while (true) {
    const int32_t seen = s.wake_caller.load();
    if (finished()) break;
    s.wake_caller.wait(seen);
  }
  s.caller_sleeps.store(false);
}

}  // namespace thermocline

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

// The chunks that one thread has not begun, [begin, end), in one word: it takes the first of them
// itself, so that it walks through neighbouring memory, and others help it from the end.
class ChunkRange {
 public:
  void Set(int64_t begin, int64_t end) { word_.store(Pack(begin, end)); }
  bool empty() const {
    const uint64_t word = word_.load();
    return Begin(word) >= End(word);
  }
  // The first or last chunk, or -1.
  int64_t TakeFirst() {
    return Take([](uint64_t word) { return Begin(word); },
                [](uint64_t word) { return Pack(Begin(word) + 1, End(word)); });
  }
  int64_t TakeLast() {
    return Take([](uint64_t word) { return End(word) - 1; },
                [](uint64_t word) { return Pack(Begin(word), End(word) - 1); });
  }

 private:
  static uint64_t Pack(int64_t begin, int64_t end) {
    return static_cast<uint64_t>(begin) << 32 | static_cast<uint64_t>(end);
  }
  static int64_t Begin(uint64_t word) { return static_cast<int64_t>(word >> 32); }
  static int64_t End(uint64_t word) { return static_cast<int64_t>(word & 0xFFFFFFFF); }

  template <typename Which, typename Rest>
  int64_t Take(Which which, Rest rest) {
    uint64_t word = word_.load(std::memory_order_relaxed);
    while (Begin(word) < End(word)) {
      if (word_.compare_exchange_weak(word, rest(word), std::memory_order_acq_rel,
                                      std::memory_order_relaxed)) {
        return which(word);
      }
    }
    return -1;
  }

  alignas(64) std::atomic<uint64_t> word_{0};
};

}  // namespace

// Publishing a job stores its body and then the ranges; a thread owns a chunk when it has taken it
// out of one. A worker that comes late finds either the old ranges, empty, or the new ones, and
// takes part: there is no generation to compare. `body` stands still as long as a chunk is owned.
struct ThreadPool::State {
  explicit State(int n) : n_threads(n), ranges(static_cast<size_t>(n)) {}

  const int n_threads;
  const ChunkBody* body = nullptr;

  std::vector<ChunkRange> ranges;  // one for each thread
  alignas(64) std::atomic<int64_t> unfinished{0};

  // Sleeping is announced before the last look at the ranges, and the ranges are written
  // before the announcements are read, both sequentially consistent: one side sees the other.
  alignas(64) std::atomic<int32_t> wake_workers{0};
  std::atomic<int32_t> sleeping_workers{0};
  std::atomic<int32_t> wake_caller{0};
  std::atomic<bool> caller_sleeps{false};
  std::atomic<bool> stop{false};

  std::vector<std::thread> threads;

  void Publish(const ChunkBody* job, int64_t n_chunks) {
    body = job;
    unfinished.store(n_chunks);
    for (int64_t i = 0; i < n_threads; ++i) {
      ranges[static_cast<size_t>(i)].Set(n_chunks * i / n_threads, n_chunks * (i + 1) / n_threads);
    }
    WakeWorkers();
  }

  // Of the thread's own range, or of the next one that has any; -1: none is left.
  int64_t TakeChunk(int thread) {
    const auto own = static_cast<size_t>(thread);
    int64_t chunk = ranges[own].TakeFirst();
    for (size_t i = 1; chunk < 0 && i < ranges.size(); ++i) {
      chunk = ranges[(own + i) % ranges.size()].TakeLast();
    }
    return chunk;
  }

  // Takes chunks until none is left, and reports them finished together.
  void RunChunks(int thread) {
    int64_t n = 0;
    for (int64_t chunk = TakeChunk(thread); chunk >= 0; chunk = TakeChunk(thread)) {
      (*body)(chunk, thread);
      ++n;
    }
    if (n == 0) return;
    if (unfinished.fetch_sub(n) == n && thread != 0 && caller_sleeps.load()) {
      wake_caller.fetch_add(1);
      wake_caller.notify_one();
    }
  }

  bool AnyLeft() const {
    for (const ChunkRange& range : ranges) {
      if (!range.empty()) return true;
    }
    return false;
  }

  void Work(int thread) {
    const auto called = [this] { return AnyLeft() || stop.load(); };
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
  s.Publish(&body, n_chunks);
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
